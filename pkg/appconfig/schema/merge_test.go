package schema_test

import (
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig/schema"
)

func TestUnmergeable(t *testing.T) {
	t.Parallel()
	const advice = ", which cannot be merged: keep one of them or make them equal"
	tests := []struct {
		a, b string // what package2 and package4 say about the same key
		want string
	}{
		{`"multipleOf": 2`, `"multipleOf": 3`, "multipleOf"},
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
