// Package schema checks a configuration against JSON schemas, and filters it by the visibility that they give
// its values: Backstage's keywords "visibility" (frontend, backend or secret), "deepVisibility" and
// "deprecated". The schemas of all plugins and of the host are merged into one, as loadConfigSchema of
// @backstage/config-loader does.
//
// The outcome is that of ajv 8 with Backstage's options, down to the text and order of its errors. This is why
// the package evaluates schemas itself: ajv converts values on its way (a text that looks like a number is one
// where the schema wants a number, and every keyword evaluated later sees the number), reports failures in the
// order of its own list of keywords, refuses unknown keywords and formats, and notes visibilities in branches
// that fail. github.com/santhosh-tekuri/jsonschema/v6 leaves no room for any of this: it cannot replace a
// value, keeps properties in maps without an order, ignores what stands beside a $ref in draft 7, and a keyword
// of a custom vocabulary runs after all others. The tests use it as an independent second opinion on what is
// valid.
package schema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// A Source is the schema of one plugin, or the host's own.
type Source struct {
	PackageName string // whose it is
	Path        string // where errors say it is from
	Value       []byte // JSON schema, draft 7
}

// A Schema is the merged and compiled schema of several sources. It is immutable and safe for concurrent use.
type Schema struct {
	sources  *appconfig.Object // as Serialize returns it
	merged   any
	compiler *compiler // of merged
	root     *node
	visible  map[string]string // visibilities by the path of the schema that has them, for missing values
}

//go:embed draft-07.json
var draft07 []byte

// Compile merges and compiles the schemas. Properties that none of them declares are allowed.
func Compile(sources ...Source) (*Schema, error) { return compile(sources, false) }

// CompileStrict is Compile with Backstage's option noUndeclaredProperties: an object whose properties are
// declared may have no others, unless its schema says so.
func CompileStrict(sources ...Source) (*Schema, error) { return compile(sources, true) }

// compile checks each schema by itself, merges them, and compiles the result for evaluation.
func compile(sources []Source, strict bool) (*Schema, error) {
	metaschema, err := appconfig.ParseJSON(draft07)
	if err != nil {
		return nil, err
	}
	_, meta, err := compileRoot(metaschema, nil)
	if err != nil {
		return nil, err
	}
	s := &Schema{sources: &appconfig.Object{}, visible: map[string]string{}}
	list, values := []any{}, []any{}
	for _, source := range sources {
		value, err := appconfig.ParseJSON(source.Value)
		if err != nil {
			return nil, fmt.Errorf("schema at %s is not JSON: %w", source.Path, err)
		}
		if _, _, err := compileRoot(value, meta); err != nil {
			kind := "Error"
			if bad := (*patternError)(nil); errors.As(err, &bad) {
				kind = "SyntaxError"
			}
			return nil, fmt.Errorf("Schema at %s is invalid, %s: %w", source.Path, kind, err)
		}
		entry := &appconfig.Object{}
		entry.Set("packageName", source.PackageName)
		entry.Set("value", value)
		entry.Set("path", source.Path)
		list, values = append(list, entry), append(values, openEmpty(value))
	}
	s.sources.Set("schemas", list)
	s.sources.Set("backstageConfigSchemaVersion", 1.0)
	if s.merged, err = mergeSchemas(values); err != nil {
		return nil, err
	}
	if err := inherit(s.merged, strict); err != nil {
		return nil, err
	}
	// The merged schema has the $id of the first, which ajv knows already: a config schema cannot have any.
	if object, ok := s.merged.(*appconfig.Object); ok {
		if id, ok := text(object, "$id"); ok && id != "" {
			return nil, fmt.Errorf("schema with key or id %q already exists", id)
		}
	}
	if s.compiler, s.root, err = compileRoot(s.merged, meta); err != nil {
		return nil, err
	}
	// A value that is missing has no visibility of its own: that of its schema tells whom to tell.
	walk(s.merged, "", nil, func(schema *appconfig.Object, pointer string, _ *appconfig.Object) {
		if visibility, ok := text(schema, "visibility"); ok && visibility != "backend" {
			s.visible[normalizePath(pointer)] = visibility
		}
		if visibility, ok := text(schema, "deepVisibility"); ok {
			s.visible[normalizePath(pointer)] = visibility
		}
	})
	return s, nil
}

// openEmpty returns a copy of a schema in which "additionalProperties": {} is true, so that merging does not
// lose it.
func openEmpty(schema any) any {
	schema = clone(schema)
	walk(schema, "", nil, func(schema *appconfig.Object, _ string, _ *appconfig.Object) {
		value, _ := schema.Get("additionalProperties")
		if object, ok := value.(*appconfig.Object); ok && object.Len() == 0 {
			schema.Set("additionalProperties", true)
		}
	})
	return schema
}

// inherit refuses visibilities that contradict a deepVisibility around them. With strict it also closes the
// objects whose properties are declared.
func inherit(schema any, strict bool) (err error) {
	inherited := map[*appconfig.Object]string{}
	walk(schema, "", nil, func(schema *appconfig.Object, pointer string, parent *appconfig.Object) {
		deep, ok := text(schema, "deepVisibility")
		if !ok {
			deep = inherited[parent]
		}
		if deep != "" {
			inherited[schema] = deep
			// The schema's own, the nearest above and the one above that: Backstage compares these three.
			own, _ := text(schema, "visibility")
			above := inherited[parent]
			frontend := own == "frontend" || deep == "frontend" || above == "frontend"
			secret := own == "secret" || deep == "secret" || above == "secret"
			if frontend && secret && err == nil {
				err = fmt.Errorf("Config schema visibility is both 'frontend' and 'secret' for %s", pointer)
			}
		}
		if kind, _ := text(schema, "type"); strict && kind == "object" && declares(schema) {
			switch additional, _ := schema.Get("additionalProperties"); additional {
			case nil, false:
				schema.Set("additionalProperties", false)
			}
		}
	})
	return err
}

// declares tells whether an object schema names properties.
func declares(schema *appconfig.Object) bool {
	for _, key := range []string{"properties", "patternProperties"} {
		value, _ := schema.Get(key)
		if object, ok := value.(*appconfig.Object); ok && object.Len() > 0 {
			return true
		}
	}
	return false
}

// A visitor is called by walk. It may change the schema.
type visitor func(schema *appconfig.Object, pointer string, parent *appconfig.Object)

// walk calls visit for a schema and every schema within, parents first, with its JSON pointer and its parent:
// json-schema-traverse's walk.
func walk(schema any, pointer string, parent *appconfig.Object, visit visitor) {
	object, ok := schema.(*appconfig.Object)
	if !ok {
		return
	}
	visit(object, pointer, parent)
	for _, key := range object.Keys() {
		value, _ := object.Get(key)
		for _, m := range within(key, value) {
			at := pointer + "/" + key
			if m.key != "" {
				at += "/" + escapePointer(m.key)
			}
			walk(m.schema, at, object, visit)
		}
	}
}

// Serialize returns the schemas by themselves, as schema.serialize() of Backstage does.
func (s *Schema) Serialize() *appconfig.Object { return s.sources }

// Merge returns the schemas merged into one, as mergeConfigSchemas of Backstage does.
func (s *Schema) Merge() (any, error) {
	list, _ := s.sources.Get("schemas")
	var values []any
	for _, entry := range list.([]any) {
		value, _ := entry.(*appconfig.Object).Get("value")
		values = append(values, value)
	}
	return mergeSchemas(values)
}

// A ValidationError lists everything that is wrong with a configuration.
type ValidationError struct {
	Messages []string // each names what was expected and the path of the value
}

func (e *ValidationError) Error() string {
	return "Config validation failed, " + strings.Join(e.Messages, "; ")
}

// Validate reports everything that is wrong with a configuration, as a *ValidationError.
func (s *Schema) Validate(c *appconfig.Config) error {
	_, err := s.Process(c, Options{})
	return err
}

// evaluate runs the merged layers through the schema.
func (s *Schema) evaluate(c *appconfig.Config) (*evaluation, error) {
	data, _, err := c.GetOptional("")
	if err != nil {
		return nil, err
	}
	e := &evaluation{all: true, coerces: true, notes: map[string]notes{"visibility": {}, "deepVisibility": {}, "deprecated": {}}}
	e.visit(s.root, &cursor{value: clone(data)})
	if e.endless {
		return nil, errors.New("the config schema refers to itself without end")
	}
	return e, nil
}

// indentJSON is JSON.stringify(value, null, 2).
func indentJSON(value any) string {
	var b bytes.Buffer
	if err := json.Indent(&b, appconfig.FormatJSON(value), "", "  "); err != nil {
		return "null"
	}
	return b.String()
}
