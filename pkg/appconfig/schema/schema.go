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
//
// A schema goes through these steps, a file each: keywords.go says what keywords there are and refuses mistakes,
// compile.go turns schemas into nodes, merge.go merges them, rules.go evaluates a keyword each, evaluate.go a
// schema with its types and coercion, and filter.go and scope.go tell whom to show what.
//
// Not matched is what no plugin's schema is known to have: the order of enums merged from several packages whose
// values are not all texts or all numbers; alternatives merged from packages that say the same in other words, which
// are combined here, and left as they are there; "nullable" beside a list of types, in what is merged; a $ref by
// $id; and a schema with several mistakes may be refused for another one of them.
package schema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// A Source is the schema of one plugin, or the host's own.
type Source struct {
	PackageName string // whose it is
	Path        string // where errors say it is from
	Value       []byte // JSON schema, draft 7
}

// A Schema is the merged and compiled schema of several sources. It is immutable and safe for concurrent use.
type Schema struct {
	sources *value.Object     // as Serialize returns it
	values  []any             // of the sources
	root    *node             // of the merged schema
	visible map[string]string // visibilities by the path of the schema that has them, for missing values
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
	metaschema, err := value.ParseJSON(draft07)
	if err != nil {
		return nil, err
	}
	meta, err := compileRoot(metaschema, nil)
	if err != nil {
		return nil, err
	}
	s := &Schema{visible: map[string]string{}}
	list := []any{}
	for _, source := range sources {
		v, err := value.ParseJSON(source.Value)
		if err != nil {
			return nil, fmt.Errorf("schema at %s is not JSON: %w", source.Path, err)
		}
		if _, err := compileRoot(v, meta); err != nil {
			kind := "Error"
			if errors.As(err, new(js.SyntaxError)) {
				kind = "SyntaxError"
			}
			return nil, fmt.Errorf("Schema at %s is invalid, %s: %w", source.Path, kind, err)
		}
		s.values = append(s.values, v)
		list = append(list, newObject("packageName", source.PackageName, "value", v, "path", source.Path))
	}
	s.sources = newObject("schemas", list, "backstageConfigSchemaVersion", 1.0)
	merged, err := s.Merge()
	if err != nil {
		return nil, nameSources(err, sources, s.values)
	}
	merged = value.Clone(merged) // parts of it are the sources'
	if err := s.inherit(merged, strict); err != nil {
		return nil, err
	}
	// The merged schema has the $id of the first, which ajv knows already: a config schema cannot have any.
	object, _ := merged.(*value.Object)
	if id, _ := stringAt(object, "$id"); id != "" {
		return nil, fmt.Errorf("schema with key or id %q already exists", id)
	}
	s.root, err = compileRoot(merged, meta)
	return s, err
}

// inherit refuses visibilities that contradict a deepVisibility around them, and notes the others. With strict it
// also closes the objects whose properties are declared.
func (s *Schema) inherit(schema any, strict bool) (err error) {
	inherited := map[*value.Object]string{}
	walk(schema, "", nil, func(schema *value.Object, pointer string, parent *value.Object) {
		own, _ := stringAt(schema, "visibility")
		deep, isDeep := stringAt(schema, "deepVisibility")
		switch {
		case isDeep:
			s.visible[normalizePath(pointer)] = deep
		case own != "" && own != "backend":
			s.visible[normalizePath(pointer)] = own
		}
		if !isDeep {
			deep = inherited[parent]
		}
		if deep != "" {
			inherited[schema] = deep
			// The schema's own, the nearest above and the one above that: Backstage compares these three.
			all := []string{own, deep, inherited[parent]}
			if slices.Contains(all, "frontend") && slices.Contains(all, "secret") && err == nil {
				err = fmt.Errorf("Config schema visibility is both 'frontend' and 'secret' for %s", pointer)
			}
		}
		additional, _ := schema.Get("additionalProperties")
		if kind, _ := stringAt(schema, "type"); strict && kind == "object" && declares(schema) && additional == nil {
			schema.Set("additionalProperties", false)
		}
	})
	return err
}

// declares tells whether an object schema names properties.
func declares(schema *value.Object) bool {
	return inner(schema, "properties").Len()+inner(schema, "patternProperties").Len() > 0
}

// walk calls visit for a schema and every schema within, parents first, with its JSON pointer and its parent:
// json-schema-traverse's walk. It may change the schema.
func walk(schema any, pointer string, parent *value.Object,
	visit func(schema *value.Object, pointer string, parent *value.Object),
) {
	object, ok := schema.(*value.Object)
	if !ok {
		return
	}
	visit(object, pointer, parent)
	for key, v := range object.All() {
		for _, m := range within(key, v) {
			at := pointer + "/" + key
			if m.key != "" {
				at += "/" + escapePointer(m.key)
			}
			walk(m.schema, at, object, visit)
		}
	}
}

// Serialize returns the schemas by themselves, as schema.serialize() of Backstage does.
func (s *Schema) Serialize() *value.Object { return s.sources }

// Merge returns the schemas merged into one, as mergeConfigSchemas of Backstage does.
func (s *Schema) Merge() (any, error) { return mergeSchemas(s.values) }

// A ValidationError lists everything that is wrong with a configuration.
type ValidationError struct {
	Messages []string // each names what was expected and the path of the value
	Keys     []string // of those values, "" for the root; what is in a list goes by the key of the list
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
	e := &evaluation{all: true, coerces: true}
	e.notes = map[string]map[string]string{"visibility": {}, "deepVisibility": {}, "deprecated": {}}
	e.visit(s.root, &cursor{value: value.Clone(data)})
	if e.endless {
		return nil, errors.New("the config schema refers to itself without end")
	}
	return e, nil
}

// indentJSON is JSON.stringify(value, null, 2).
func indentJSON(v any) string {
	var b bytes.Buffer
	if err := json.Indent(&b, value.FormatJSON(v), "", "  "); err != nil {
		return "null"
	}
	return b.String()
}
