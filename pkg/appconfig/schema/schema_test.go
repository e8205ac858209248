package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

// layers returns the configuration of layers in YAML, which are called layer1, layer2 and so on.
func layers(t testing.TB, texts ...string) *appconfig.Config {
	t.Helper()
	var list []appconfig.Layer
	for i, text := range texts {
		v, err := yaml.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, appconfig.Layer{Name: fmt.Sprint("layer", i+1), Data: v.(*value.Object)})
	}
	return appconfig.New(list...)
}

func compile(t testing.TB, texts ...string) *schema.Schema {
	t.Helper()
	compiled, err := schema.Compile(sources(texts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func sources(texts ...string) (list []schema.Source) {
	for i, text := range texts {
		name := fmt.Sprint("package", i+1)
		list = append(list, schema.Source{PackageName: name, Path: name + ".json", Value: []byte(text)})
	}
	return list
}

func TestValidate(t *testing.T) {
	t.Parallel()
	compiled := compile(t, `{"type": "object", "properties": {
		"port": {"type": "integer", "minimum": 1, "maximum": 65535},
		"mode": {"enum": ["on", "off"]},
		"names": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}, "uniqueItems": true},
		"size": {"type": "number", "multipleOf": 0.5},
		"flags": {"type": "array", "items": {"type": ["number"]}, "uniqueItems": true}
	}, "required": ["port"]}`)
	tests := []struct {
		config string
		want   []string
	}{
		{`{port: 1, mode: on, names: [a, b]}`, nil},
		{`{port: "8080"}`, nil}, // a string of digits passes as a number
		{`{port: 0}`, []string{"Config must be >= 1 { comparison=>= limit=1 } at /port"}},
		{`{port: 1.5}`, []string{"Config must be integer { type=integer } at /port"}},
		{`{port: 1, size: 1e+21}`, []string{"Config must be multiple of 0.5 { multipleOf=0.5 } at /size"}}, // as in JavaScript
		{`{port: 1, flags: [1, "3", 2, 2.0, "2"]}`, []string{
			"Config must NOT have duplicate items (items ## 4 and 3 are identical) { i=3 j=4 } at /flags",
		}},
		{`{mode: maybe, names: [a, B, a]}`, []string{
			"Config must have required property 'port' { missingProperty=port } at ",
			"Config must be equal to one of the allowed values { allowedValues=on,off } at /mode",
			`Config must match pattern "^[a-z]+$" { pattern=^[a-z]+$ } at /names/1`,
			"Config must NOT have duplicate items (items ## 2 and 0 are identical) { i=0 j=2 } at /names",
		}},
	}
	for _, test := range tests {
		err := compiled.Validate(layers(t, test.config))
		var invalid *schema.ValidationError
		if errors.As(err, &invalid) != (test.want != nil) {
			t.Fatalf("%s: got error %v, want %q", test.config, err, test.want)
		}
		if invalid == nil {
			continue
		}
		if diff := cmp.Diff(test.want, invalid.Messages); diff != "" {
			t.Errorf("%s: messages (-want +got):\n%s", test.config, diff)
		}
		if want := "Config validation failed, " + strings.Join(test.want, "; "); err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestValidateLeavesTheConfigAlone(t *testing.T) {
	t.Parallel()
	config := layers(t, `{a: "1", list: ["1", {b: "2"}]}`)
	compiled := compile(t, `{"type": "object", "properties": {"a": {"type": "number"},
		"list": {"items": {"type": ["number", "object"], "properties": {"b": {"type": "number"}}}}}}`)
	if err := compiled.Validate(config); err != nil {
		t.Fatal(err)
	}
	got, err := config.Get("")
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a":"1","list":["1",{"b":"2"}]}`; string(value.FormatJSON(got)) != want {
		t.Errorf("got %s, want %s: coercion changed it", value.FormatJSON(got), want)
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		schemas []string
		want    string
	}{
		{"not JSON", []string{`{"type": }`}, "schema at package1.json is not JSON: "},
		{"keyword", []string{`{}`, `{"visble": "secret"}`}, `Schema at package2.json is invalid, Error: strict mode: unknown keyword: "visble"`},
		{"pattern", []string{`{"pattern": "a)"}`}, "Schema at package1.json is invalid, SyntaxError: Invalid regular expression: /a)/u: Unmatched ')'"},
		{"both visible and secret", []string{
			`{"properties": {"a": {"visibility": "frontend"}}}`, `{"properties": {"a": {"visibility": "secret"}}}`,
		}, "Config schema visibility is both 'frontend' and 'secret' for properties/a/visibility"},
		{
			"deep",
			[]string{`{"deepVisibility": "secret", "properties": {"a": {"visibility": "frontend"}}}`},
			"Config schema visibility is both 'frontend' and 'secret' for /properties/a",
		},
		{
			"types",
			[]string{`{"type": "object"}`, `{"type": "array"}`},
			"Could not resolve values for path:\"type\". They are probably incompatible. Values: \n\"object\"\n\"array\"",
		},
		{"id", []string{`{"$id": "https://example.com/a"}`}, `schema with key or id "https://example.com/a" already exists`},
		{"null", []string{`null`}, "Schema at package1.json is invalid, Error: schema must be object or boolean"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := schema.Compile(sources(test.schemas...)...); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestEndlessReferences(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"$ref": "#"}`,
		`{"anyOf": [{"$ref": "#"}]}`,
		`{"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}}}`,
	} {
		compiled, err := schema.Compile(sources(text)...)
		if err == nil {
			err = compiled.Validate(layers(t, `{a: 1}`))
		}
		if err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	tree := compile(t, `{"type": "object", "additionalProperties": {"$ref": "#"}}`)
	if err := tree.Validate(layers(t, `{a: {b: {c: {}}}}`)); err != nil {
		t.Error(err)
	}
	if err := tree.Validate(layers(t, `{a: {b: {c: [1]}}}`)); err == nil {
		t.Error("no error deep in the tree")
	}
}
