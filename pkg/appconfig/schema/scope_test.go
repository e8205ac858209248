package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

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

func TestChangesOfOthersAreNotOfTheSchema(t *testing.T) {
	t.Parallel()
	compiled := compile(t, `{"properties": {
		"ours": {"type": "object", "properties": {"keys": {"items": {}}}},
		"any": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {}}}]},
		"map": {"additionalProperties": {"type": "object", "properties": {"id": {}}}}}}`)
	for name, test := range map[string]struct {
		before, after string
		want          []string
	}{
		"another section":           {`{}`, `{others: 1}`, nil},
		"another key":               {`{}`, `{ours: {theirs: {enabled: true}}}`, nil},
		"it goes":                   {`{ours: {theirs: 1}}`, `{a: 1}`, nil},
		"another key beside ours":   {`{ours: {keys: [1]}}`, `{ours: {keys: [1], theirs: 1}}`, nil},
		"ours":                      {`{ours: {theirs: 1}}`, `{ours: {theirs: 2, keys: [1]}}`, []string{"ours.keys"}},
		"ours is there, and empty":  {`{a: 1}`, `{ours: {}}`, []string{"ours"}},
		"an alternative":            {`{a: 1}`, `{any: {y: 1}}`, nil},
		"a value for an object":     {`{any: {y: 1}}`, `{any: text}`, []string{"any"}},
		"an entry of a map":         {`{map: {}}`, `{map: {one: {unknown: 1}}}`, []string{"map.one"}},
		"a key in an entry":         {`{map: {one: {id: 1}}}`, `{map: {one: {id: 1, unknown: 1}}}`, nil},
		"an entry with what counts": {`{map: {}}`, `{map: {one: {id: 1}}}`, []string{"map.one.id"}},
	} {
		if got := compiled.Changed(layers(t, test.before), layers(t, test.after)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
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
