package schema_test

import (
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

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
