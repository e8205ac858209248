package schema

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dlclark/regexp2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// TestSecondOpinion compares what is valid with the verdict of an independent implementation of JSON Schema draft 7,
// except if ajv does not follow the standard: if it coerces a value, or if a schema has keywords next to a $ref or
// "nullable".
func TestSecondOpinion(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("testdata", "recorded.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	valid, invalid := 0, 0
	for n := 1; lines.Scan(); n++ {
		v, err := value.ParseJSON(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, schema := range get(v.(*value.Object), "schemas").([]any) {
			compiled, err := Compile(Source{Value: value.FormatJSON(schema)})
			if err != nil || nonstandard(schema) {
				continue
			}
			other := compileOther(t, schema)
			for _, layer := range get(v.(*value.Object), "layers").([]any) {
				data := get(layer.(*value.Object), "data")
				e := &evaluation{coerces: true}
				at := &cursor{value: value.Clone(data)}
				ours := e.visit(compiled.root, at)
				if !value.Equal(at.value, data) {
					continue // coerced
				}
				err := other.Validate(plain(data))
				if ours != (err == nil) {
					t.Errorf("line %d: ours is %v, the other says %v\nschema %s\nvalue %s", n, ours, err,
						value.FormatJSON(schema), value.FormatJSON(data))
				}
				if ours {
					valid++
				} else {
					invalid++
				}
			}
		}
	}
	if valid < 30 || invalid < 30 {
		t.Errorf("%d valid and %d invalid values compared, want 30 of each", valid, invalid)
	}
}

func compileOther(t *testing.T, schema any) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	compiler.UseRegexpEngine(func(source string) (jsonschema.Regexp, error) {
		re, err := regexp2.Compile(source, regexp2.ECMAScript|regexp2.Unicode)
		return (*otherRegexp)(re), err
	})
	if err := compiler.AddResource("schema.json", plain(schema)); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

type otherRegexp regexp2.Regexp

func (re *otherRegexp) String() string { return (*regexp2.Regexp)(re).String() }

func (re *otherRegexp) MatchString(text string) bool {
	ok, err := (*regexp2.Regexp)(re).MatchString(text)
	return ok && err == nil
}

// nonstandard reports whether ajv differs from the standard for a schema.
func nonstandard(schema any) bool {
	switch v := schema.(type) {
	case []any:
		if slices.ContainsFunc(v, nonstandard) {
			return true
		}
	case *value.Object:
		for key, item := range v.All() {
			if key == "nullable" || key == "$schema" || key == "$ref" && v.Len() > 1 || nonstandard(item) {
				return true
			}
		}
	}
	return false
}

// plain converts a config value to what encoding/json makes.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = plain(item)
		}
		return items
	case *value.Object:
		return v.Map()
	}
	return v
}
