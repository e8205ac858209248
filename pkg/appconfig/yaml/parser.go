package yaml

import (
	"fmt"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// Parser is a koanf.Parser for YAML as Backstage reads it.
type Parser struct{}

// Unmarshal returns a document as plain maps, slices and scalars.
func (Parser) Unmarshal(text []byte) (map[string]any, error) {
	made, err := Parse(text)
	if err != nil || made == nil {
		return nil, err
	}
	object, ok := made.(*value.Object)
	if !ok {
		return nil, fmt.Errorf("expected an object at the root of the document, got %T", made)
	}
	return object.Map(), nil
}

// Marshal writes JSON, which is YAML too.
func (Parser) Marshal(m map[string]any) ([]byte, error) {
	return value.FormatJSON(value.FromMap(m)), nil
}
