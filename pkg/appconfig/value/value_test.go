package value_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

func TestFromMapConvertsWhatPlainMapsHold(t *testing.T) {
	t.Parallel()
	type name string
	got := value.FromMap(map[string]any{
		"z": nil, "b": true, "int": int64(-3), "uint": uint8(4), "float": float32(0.5), "name": name("n"),
		"bytes": []byte("text"), "names": []string{"a", "b"}, "any": []any{1, map[string]any{"x": 2}},
		"map":  map[any]any{1: "one"},
		"time": time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), "length": time.Second, "10": "ten", "9": "nine",
	})
	want := `{"9":"nine","10":"ten","any":[1,{"x":2}],"b":true,"bytes":"text","float":0.5,"int":-3,"length":1000000000,` +
		`"map":{"1":"one"},"name":"n","names":["a","b"],"time":"2024-01-02T03:04:05Z","uint":4,"z":null}`
	if diff := cmp.Diff(want, string(value.FormatJSON(got))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMapIsTheReverseOfFromMap(t *testing.T) {
	t.Parallel()
	want := map[string]any{"a": []any{1.0, map[string]any{"b": nil}}, "c": map[string]any{}}
	if diff := cmp.Diff(want, value.FromMap(want).Map()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var none *value.Object
	if got := none.Map(); len(got) != 0 {
		t.Errorf("a nil object: %v", got)
	}
}

func TestEqualIgnoresTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	parse := func(text string) any {
		t.Helper()
		v, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{parse(`{"a":1,"b":[{}]}`), parse(`{"b":[{}],"a":1}`), true},
		{parse(`{"a":1}`), parse(`{"a":1,"b":null}`), false},
		{parse(`{"a":null}`), parse(`{"b":null}`), false},
		{parse(`[1,2]`), parse(`[2,1]`), false},
		{math.NaN(), math.NaN(), true},
		{"1", 1.0, false},
		{nil, false, false},
	} {
		if got := value.Equal(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %v", value.FormatJSON(c.a), value.FormatJSON(c.b), got)
		}
	}
}
