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

// layer parses a layer; its name is layer<n>.
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
		{`{port: "8080"}`, nil}, // a text that is a number is taken for one
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

func TestUnmergeable(t *testing.T) {
	t.Parallel()
	const advice = ", which cannot be merged: keep one of them or make them equal"
	tests := []struct {
		a, b string // what package2 and package4 say about the same key
		want string
	}{
		{`"anyOf": [{"type": "string"}]`, `"anyOf": [{"type": "number"}]`, "anyOf"},
		{`"oneOf": [{"type": "string"}]`, `"oneOf": [{"type": "string"}, {}]`, "oneOf"},
		{`"multipleOf": 2`, `"multipleOf": 3`, "multipleOf"},
		{`"pattern": "a"`, `"pattern": "b"`, "pattern"},
		{`"dependencies": {"x": ["y"]}`, `"dependencies": {"x": ["z"]}`, "dependencies"},
		{`"items": [{}]`, `"items": [{}, {}]`, "items"},
		{`"items": [{}]`, `"items": {"type": "string"}`, "items"},
	}
	for _, test := range tests {
		in := func(keyword string) string { return `{"properties": {"a": {` + keyword + `}}}` }
		_, err := schema.Compile(sources("{}", in(test.a), in(`"title": "A"`), in(test.b))...)
		want := "the schemas of package2 and package4 have different values for the keyword " +
			"properties.a." + test.want + advice
		if err == nil || err.Error() != want {
			t.Errorf("%s and %s: got %v, want %s", test.a, test.b, err, want)
		}
		if _, err := schema.Compile(sources(in(test.a), in(test.a))...); err != nil {
			t.Errorf("%s twice: %v", test.a, err)
		}
	}
	_, err := schema.Compile(sources("{}", `{"allOf": [{"multipleOf": 2}, {"multipleOf": 3}]}`)...)
	if want := "the schemas of package2 have different values for the keyword multipleOf" + advice; err == nil ||
		err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
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

func TestScope(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, schema, config, want string
	}{
		{"nothing declared", `{"type": "object"}`, `{a: 1}`, `{}`},
		{"no schema", `true`, `{a: 1}`, `{}`},
		{"keys", `{"properties": {"a": {"type": "string"}, "b": {}}}`, `{a: x, b: {c: [1]}, d: 1}`, `{"a":"x","b":{"c":[1]}}`},
		{"nested", `{"properties": {"a": {"type": "object", "properties": {"b": true}}}}`, `{a: {b: 1, c: 2}}`, `{"a":{"b":1}}`},
		{"an object of anything", `{"properties": {"a": {"type": "object"}}}`, `{a: {b: 1}}`, `{"a":{"b":1}}`},
		{"a wrong type is kept", `{"properties": {"a": {"type": "object", "properties": {"b": true}}}}`, `{a: text}`, `{"a":"text"}`},
		{"null is kept", `{"properties": {"a": {"type": "string"}}}`, `{a: ~, b: ~}`, `{"a":null}`},
		{"additional", `{"properties": {"a": {"additionalProperties": {"properties": {"x": {}}}}}}`, `{a: {k: {x: 1, y: 2}}}`, `{"a":{"k":{"x":1}}}`},
		{"closed", `{"properties": {"a": {"additionalProperties": false}}}`, `{a: {k: 1}}`, `{"a":{}}`},
		{"patterns", `{"properties": {"a": {"patternProperties": {"^x-": {}}}}}`, `{a: {x-1: 1, y: 2}}`, `{"a":{"x-1":1}}`},
		{"items", `{"properties": {"a": {"items": {"properties": {"x": {}}}}}}`, `{a: [{x: 1, y: 2}, z, ~]}`, `{"a":[{"x":1},"z",null]}`},
		{
			"positions", `{"properties": {"a": {"items": [{"properties": {"x": {}}}], "additionalItems": {"properties": {"y": {}}}}}}`,
			`{a: [{x: 1, y: 2}, {x: 1, y: 2}]}`, `{"a":[{"x":1},{"y":2}]}`,
		},
		{"alternatives", `{"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {}}},
			{"type": "object", "properties": {"y": {}}}]}}}`, `{a: {x: 1, y: 2, z: 3}}`, `{"a":{"x":1,"y":2}}`},
		{
			"an alternative takes anything", `{"properties": {"a": {"oneOf": [{"type": "object"}, {"properties": {"x": {}}}]}}}`,
			`{a: {x: 1, z: 3}}`, `{"a":{"x":1,"z":3}}`,
		},
		{"conditions", `{"properties": {"a": {"properties": {"k": {}}, "if": {"properties": {"k": {"const": 1}}},
			"then": {"properties": {"x": {}}}, "else": {"required": ["k"]}}}}`, `{a: {k: 1, x: 2, y: 3}}`, `{"a":{"k":1,"x":2}}`},
		{
			"references", `{"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"properties": {"x": {}, "next": {"$ref": "#/definitions/A"}}}}}`,
			`{a: {x: 1, y: 2, next: {y: 1, next: {x: 3}}}, definitions: 1}`, `{"a":{"x":1,"next":{"next":{"x":3}}}}`,
		},
		{"the whole again", `{"properties": {"a": {"$ref": "#"}, "b": {"type": "string"}}}`, `{a: {a: {b: x, c: y}}, c: z}`, `{"a":{"a":{"b":"x"}}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			scoped := compile(t, test.schema).Scope(layers(t, test.config))
			if got := string(value.FormatJSON(scoped.Layers()[0].Data)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestScopeKeepsLayers(t *testing.T) {
	t.Parallel()
	compiled := compile(t, `{"properties": {"a": {"properties": {"b": {"type": "string"}}}}}`)
	scoped := compiled.Scope(layers(t, `{a: {b: [1], c: 1}}`, `{other: 1}`, `{a: {c: 2}}`))
	if _, err := scoped.GetString("a.b"); err == nil || !strings.Contains(err.Error(), "in 'layer1'") {
		t.Errorf("got %v, want an error that names layer1", err)
	}
	if _, err := scoped.GetString("a.c"); err == nil || !strings.Contains(err.Error(), "in 'layer3'") {
		t.Errorf("got %v, want a missing value in layer3", err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	compiled := compile(t, `{"properties": {
		"password": {"type": "string", "visibility": "secret"},
		"pin": {"type": "number", "visibility": "secret"},
		"tokens": {"type": "array", "items": {"type": "string", "visibility": "secret"}},
		"deep": {"type": "object", "deepVisibility": "secret"},
		"either": {"anyOf": [{"type": "object", "properties": {"key": {"type": "string", "visibility": "secret"}}}, {"type": "string"}]},
		"host": {"type": "string", "visibility": "frontend"}
	}}`)
	tests := []struct {
		name   string
		layers []string
		want   []string
	}{
		{"none", []string{`{host: h, other: o}`}, nil},
		{
			"all kinds",
			[]string{`{password: longest one, pin: 1234, tokens: [t1, "", t1], deep: {a: {b: [d1]}}, either: {key: k}, host: h}`},
			[]string{"1234", "d1", "k", "longest one", "t1"},
		},
		{"of a wrong type", []string{`{password: {nested: [oops]}}`}, []string{"oops"}},
		{
			"hidden by a higher layer",
			[]string{`{password: old, tokens: [a, b, c], either: {key: k}}`, `{password: new, tokens: [d], either: x}`, `{deep: ~}`},
			[]string{"a", "b", "c", "d", "k", "new", "old"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, compiled.Secrets(layers(t, test.layers...))); diff != "" {
				t.Errorf("secrets (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTransform(t *testing.T) {
	t.Parallel()
	compiled := compile(t, `{"properties": {"a": {"items": {"visibility": "secret"}}, "b": {"visibility": "frontend"}}}`)
	seen := []string{}
	out, err := compiled.Process(layers(t, `{a: [x, y], b: 1, c: ~}`), schema.Options{
		Transform: func(v any, visibility, path string) any {
			seen = append(seen, fmt.Sprint(path, " ", visibility, " ", v))
			return "masked"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a[0] secret x", "a[1] secret y", "b frontend 1"}, seen); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if got, want := string(value.FormatJSON(out[0].Data)), `{"a":["masked","masked"],"b":"masked"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzSchema(f *testing.F) {
	f.Add(`{"type": "object", "properties": {"a": {"type": "number", "visibility": "secret"}}}`, `{"b": {}}`, `{"a": "1", "b": [{"c": null}]}`)
	f.Add(`{"anyOf": [{"$ref": "#/definitions/A"}], "definitions": {"A": {"items": [{}], "additionalItems": false}}}`,
		`{"oneOf": [{"required": ["a"]}, {"not": {}}], "dependencies": {"a": ["b"], "c": {"minProperties": 2}}}`, `{"a": [1, 1]}`)
	f.Add(`{"$schema": "https://backstage.io/schema/config-v1", "required": 1, "enum": [[]], "multipleOf": -0.1}`,
		`{"if": {"const": {}}, "then": {"uniqueItems": true}, "patternProperties": {"^a": {"contains": {}}}, "propertyNames": {"maxLength": 1}}`, `{"a": [[], []]}`)
	f.Add(`{"deepVisibility": "frontend", "allOf": [{"pattern": "a"}, {"pattern": "b"}], "nullable": true, "type": ["string"]}`, `true`, `{}`)
	f.Fuzz(func(t *testing.T, a, b, config string) {
		v, err := value.ParseJSON([]byte(config))
		data, ok := v.(*value.Object)
		if err != nil || !ok {
			t.Skip("a configuration is an object")
		}
		c := appconfig.New(appconfig.Layer{Name: "fuzz", Data: data})
		for _, compile := range []func(...schema.Source) (*schema.Schema, error){schema.Compile, schema.CompileStrict} {
			compiled, err := compile(sources(a, b)...)
			if err != nil {
				continue
			}
			before := string(value.FormatJSON(data))
			all := schema.Options{Visibility: schema.Visibilities(), WithDeprecatedKeys: true, IgnoreErrors: true}
			_, _ = compiled.Process(c, all)
			_ = compiled.Validate(c)
			_ = compiled.Scope(c)
			_ = compiled.Secrets(c)
			_, _ = compiled.Merge()
			if after := string(value.FormatJSON(data)); after != before {
				t.Fatalf("the configuration changed from %s to %s", before, after)
			}
		}
	})
}

// large returns a schema of n keys in groups of twenty, and a configuration that sets them all.
func large(t testing.TB, n int) (*schema.Schema, *appconfig.Config) {
	properties, config := &value.Object{}, &value.Object{}
	for i := range n / 20 {
		inner, values := &value.Object{}, &value.Object{}
		for j := range 20 {
			property := &value.Object{}
			property.Set("type", []any{"string", "number", "boolean"}[j%3])
			property.Set("visibility", []any{"frontend", "backend", "secret"}[j%3])
			inner.Set(fmt.Sprint("key", j), property)
			values.Set(fmt.Sprint("key", j), []any{"text", "12", true}[j%3])
		}
		group := &value.Object{}
		group.Set("type", "object")
		group.Set("properties", inner)
		properties.Set(fmt.Sprint("group", i), group)
		config.Set(fmt.Sprint("group", i), values)
	}
	root := &value.Object{}
	root.Set("type", "object")
	root.Set("properties", properties)
	return compile(t, string(value.FormatJSON(root))), appconfig.New(appconfig.Layer{Name: "large", Data: config})
}

func BenchmarkValidate400(b *testing.B) {
	compiled, config := large(b, 400)
	b.ReportAllocs()
	for b.Loop() {
		if err := compiled.Validate(config); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile400(b *testing.B) {
	compiled, _ := large(b, 400)
	merged, err := compiled.Merge()
	if err != nil {
		b.Fatal(err)
	}
	text := string(value.FormatJSON(merged))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Compile(sources(text)...); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleSchema_Scope() {
	compiled, err := schema.Compile(schema.Source{Path: "schema.json", Value: []byte(
		`{"properties": {"coder": {"properties": {"accessUrl": {"type": "string"}}}}}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := yaml.Parse([]byte("coder: {accessUrl: 'http://coder', secret: x}\nbackend: {port: 1}\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	config := appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: data.(*value.Object)})
	whole, err := compiled.Scope(config).Get("")
	fmt.Println(string(value.FormatJSON(whole)), err)
	// Output: {"coder":{"accessUrl":"http://coder"}} <nil>
}
