// Package schema checks a configuration against JSON schemas and filters it by visibility, with Backstage's keywords
// "visibility" (frontend, backend or secret), "deepVisibility" and "deprecated". The schemas of the host and all
// plugins are merged into one, as loadConfigSchema of @backstage/config-loader does.
//
// The outcome is that of ajv 8 with Backstage's options, including the text and order of errors. No Go package can do
// that, so this one evaluates schemas itself. ajv converts values while it evaluates: if a schema wants a number, a
// string that looks like one becomes a number for every keyword evaluated later. It reports problems in the order of
// its own list of keywords, refuses unknown keywords and formats, and notes visibilities in branches that fail.
// github.com/santhosh-tekuri/jsonschema/v6 cannot replace a value, keeps properties in maps without an order, ignores
// the keywords next to a $ref in draft 7, and evaluates custom keywords last. The tests use it as an independent second
// opinion on what is valid.
//
// keywords.go lists the keywords and refuses mistakes in them. merge.go merges schemas, and compile.go turns them into
// nodes. evaluate.go evaluates a node (coerce.go: its types, rules.go: its keywords). filter.go and scope.go select what
// to show to whom.
//
// What no plugin's schema is known to have differs: values that merge.go does not merge are an error; merged enums that
// mix types have another order; "nullable" next to a list of types is merged like any keyword; a $ref cannot lead to an
// $id; and a schema with several mistakes may be refused for another one of them.
package schema

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// A Source is the schema of a plugin or of the host.
type Source struct {
	PackageName string // the plugin
	Path        string // the file, for errors
	Value       []byte // JSON schema, draft 7
}

// A Schema is the merged and compiled schema of several sources. It is immutable and safe for concurrent use.
type Schema struct {
	sources *value.Object     // as Serialize returns it
	values  []any             // of the sources
	root    *node             // of the merged schema
	visible map[string]string // visibilities by the path of their schema, for missing values

	annotate func(v any, path string, note func(keyword, path, visibility string)) // may be nil
}

// Annotated returns the schema with more visibilities: those that annotate notes, by the keyword and the path of a value, for what the
// schema says nothing about. What either calls secret is secret.
func (s *Schema) Annotated(annotate func(v any, path string, note func(keyword, path, visibility string))) *Schema {
	annotated := *s
	annotated.annotate = annotate
	return &annotated
}

//go:embed draft-07.json
var draft07 []byte

// Compile merges and compiles schemas. Undeclared properties are allowed.
func Compile(sources ...Source) (*Schema, error) { return compile(sources, false) }

// CompileStrict is Compile with Backstage's option noUndeclaredProperties: an object that declares properties may have
// no others, unless its schema says so.
func CompileStrict(sources ...Source) (*Schema, error) { return compile(sources, true) }

// compile checks each schema, merges them and compiles the result.
func compile(sources []Source, strict bool) (*Schema, error) {
	metaschema, _ := value.ParseJSON(draft07)
	meta, err := compileRoot(metaschema, &node{}) // which accepts any schema
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
	merged = value.Clone(merged) // it shares parts with the sources
	if err := s.inherit(merged, "", "", strict); err != nil {
		return nil, err
	}
	// The merged schema has the $id of the first one, which ajv knows already: so no config schema can have an $id.
	object, _ := merged.(*value.Object)
	if id, _ := stringAt(object, "$id"); id != "" {
		return nil, fmt.Errorf("schema with key or id %q already exists", id)
	}
	s.root, err = compileRoot(merged, meta)
	return s, err
}

// Serialize returns the separate schemas, as Backstage's schema.serialize() does.
func (s *Schema) Serialize() *value.Object { return s.sources }

// Merge returns the merged schema, as Backstage's mergeConfigSchemas does.
func (s *Schema) Merge() (any, error) { return mergeSchemas(s.values) }

// A ValidationError lists all problems of a configuration.
type ValidationError struct {
	Messages []string // what was expected, and the path of the value
	Keys     []string // the keys of those values, "" for the root; items of a list have the key of the list
}

func (e *ValidationError) Error() string {
	return "Config validation failed, " + strings.Join(e.Messages, "; ")
}

// Validate returns all problems of a configuration as a *ValidationError.
func (s *Schema) Validate(c *appconfig.Config) error {
	_, err := s.Process(c, Options{})
	return err
}

// Check is Validate with a line for each problem, which also names the layer that the value is in.
func (s *Schema) Check(c *appconfig.Config) error {
	err := s.Validate(c)
	invalid, ok := errors.AsType[*ValidationError](err)
	if !ok {
		return err
	}
	var errs []error
	for i, message := range invalid.Messages {
		if layer := c.LayerOf(invalid.Keys[i]); layer != "" {
			message += " in '" + layer + "'"
		}
		errs = append(errs, errors.New("Config validation failed, "+message))
	}
	return errors.Join(errs...)
}

// evaluate checks the merged layers against the schema.
func (s *Schema) evaluate(c *appconfig.Config) (*evaluation, error) {
	data, _, err := c.GetOptional("")
	if err != nil {
		return nil, err
	}
	notes := map[string]map[string]string{"visibility": {}, "deepVisibility": {}, "deprecated": {}}
	e := &evaluation{coerces: true, notes: notes}
	e.visit(s.root, &cursor{value: value.Clone(data)})
	if e.depth == maxDepth {
		return nil, errors.New("the config schema refers to itself without end")
	}
	if s.annotate != nil {
		s.annotate(data, "", func(keyword, path, visibility string) {
			if notes[keyword][path] == "" || visibility == "secret" {
				notes[keyword][path] = visibility
			}
		})
	}
	return e, nil
}

// inherit notes the visibilities in a schema at a JSON pointer, as json-schema-traverse visits them. A visibility that
// contradicts the inherited one, a deepVisibility around it, is an error. If strict is set, it also forbids undeclared
// properties of objects that declare some.
func (s *Schema) inherit(v any, pointer, inherited string, strict bool) error {
	schema, _ := v.(*value.Object)
	own, _ := stringAt(schema, "visibility")
	deep, _ := stringAt(schema, "deepVisibility")
	if v := cmp.Or(deep, own, "backend"); v != "backend" {
		s.visible[normalizePath(pointer)] = v
	}
	// Backstage compares these three.
	all := []string{own, cmp.Or(deep, inherited), inherited}
	if slices.Contains(all, "frontend") && slices.Contains(all, "secret") {
		return fmt.Errorf("Config schema visibility is both 'frontend' and 'secret' for %s", pointer)
	}
	if kind, _ := schema.Get("type"); strict && kind == "object" && declares(schema) && !schema.Has("additionalProperties") {
		schema.Set("additionalProperties", false)
	}
	for keyword, v := range schema.All() {
		for _, sub := range within(keyword, v) {
			at := pointer + "/" + keyword
			if sub.key != "" {
				at += "/" + escapePointer(sub.key)
			}
			if err := s.inherit(sub.value, at, cmp.Or(deep, inherited), strict); err != nil {
				return err
			}
		}
	}
	return nil
}

// declares reports whether an object schema names properties.
func declares(schema *value.Object) bool {
	return inner(schema, "properties").Len()+inner(schema, "patternProperties").Len() > 0
}
