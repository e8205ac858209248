package schema_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

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
