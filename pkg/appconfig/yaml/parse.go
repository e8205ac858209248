// Package yaml reads YAML as npm's yaml does for Backstage: YAML 1.2 with the core schema.
//
// go-yaml parses. This package closes the differences that a person's document could meet: those in the text in
// text.go, those in what the nodes mean in construct.go and scalar.go.
package yaml

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// Parse returns the value of a YAML document. An empty document is nil. Its errors are of type *value.SyntaxError.
func Parse(text []byte) (any, error) {
	made, _, err := Read(js.DecodeUTF8(text), &value.Source{})
	return made, err
}

// Read is Parse for a document that is UTF-8 and comes from a source. It returns where each value is, too.
func Read(text string, from *value.Source) (any, value.Position, error) {
	made, pos, err := read(text, from)
	if err == nil {
		return made, pos, nil
	}
	problem := &value.SyntaxError{Path: from.Path, Problem: err.Error()}
	if located, ok := errors.AsType[*yaml.LoadError](err); ok {
		problem.Problem = fmt.Sprintf("%.200s", located.Message) // it may quote as much of the document as there is
		problem.Line, problem.Column = within(text, located.Mark.Line, located.Mark.Column)
	}
	return nil, value.Position{}, problem
}

// within returns the place in text that is nearest to a line and a column: go-yaml reports what is missing at the end
// of a document in a line behind it. Without a line there is no place.
func within(text string, line, column int) (int, int) {
	if line == 0 {
		return 0, 0
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if line > len(lines) {
		line, column = len(lines), len(text)+1
	}
	return line, min(column, utf8.RuneCountInString(strings.TrimSuffix(lines[line-1], "\r"))+1)
}

func read(text string, from *value.Source) (any, value.Position, error) {
	if len(text) > value.MaxFileSize {
		return nil, value.Position{}, fmt.Errorf("larger than %d bytes", value.MaxFileSize)
	}
	doc := prepare(text)
	root, err := compose(doc.text)
	if err != nil && doc.separate() { // which only a document that is refused may need
		if separate, again := compose(doc.text); again == nil {
			root, err = separate, nil
		}
	}
	if err != nil {
		return nil, value.Position{}, err
	}
	return construct(root, doc, from)
}

// compose returns the root node of the only document in a text, nil if there is none.
func compose(text string) (*yaml.Node, error) {
	limits := loaderlimits.New(loaderlimits.DepthFunc(func(depth int, _ *yaml.DepthContext) error {
		if depth > value.MaxDepth {
			return value.ErrDepth
		}
		return nil
	}))
	loader, err := yaml.NewLoader(strings.NewReader(text), yaml.WithPlugin(limits))
	if err != nil {
		return nil, err
	}
	var doc, next yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := loader.Load(&next); err == nil {
		return nil, problemAt(&next, "Source contains multiple documents")
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return doc.Content[0], nil
}

// problemAt reports a problem with a node as go-yaml reports its own.
func problemAt(node *yaml.Node, problem string) *yaml.LoadError {
	return &yaml.LoadError{Message: problem, Mark: yaml.Mark{Line: node.Line, Column: node.Column}}
}
