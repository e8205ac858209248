package express_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/express"
)

func TestParseQuery(t *testing.T) {
	for raw, want := range map[string]express.Query{
		"":                    {},
		"a=1&a=2&b":           {"a": {"1", "2"}, "b": {""}},
		"&&a=b=c&":            {"a": {"b=c"}},
		"a=x+y%20z&%61%5b%5d": {"a": {"x y z"}, "a[]": {""}},
		"a=%ZZ&b=%FF+":        {"a": {"%ZZ"}, "b": {"%FF "}},
		"a=b;c=d":             {"a": {"b;c=d"}},
		"a[0]=x&a[][1]=y":     {"a[]": {"x", "y"}},
		"a[k]=x":              {"a[k]": {"x"}},
		"__proto__=x":         {"__proto__": {"x"}},
	} {
		if diff := cmp.Diff(want, express.ParseQuery(raw)); diff != "" {
			t.Errorf("%q: %s", raw, diff)
		}
	}
	many := express.ParseQuery(strings.Repeat("a&", express.MaxParameters) + "b=1")
	if len(many["a"]) != express.MaxParameters || len(many["b"]) != 0 {
		t.Errorf("%d parameters are read, and one beyond the limit: %v", len(many["a"]), many["b"])
	}
}

func TestQueryParameters(t *testing.T) {
	tests := []struct {
		raw, get, single string
		ok               bool
	}{
		{"", "", "", false},
		{"x", "", "", true},
		{"x=a", "a", "a", true},
		{"x=a&x=b", "a,b", "", true},
		{"x[]=a", "a", "", true},
		{"x=a&x[0]=b", "a,b", "", true},
		{"x[k]=a", "[object Object]", "", true},
		{"xy=a", "", "", false},
	}
	for _, test := range tests {
		query := express.ParseQuery(test.raw)
		value, ok := query.Lookup("x")
		if value != test.get || ok != test.ok || query.Get("x") != test.get || query.Single("x") != test.single {
			t.Errorf("%q: Lookup %q, %t, Get %q, Single %q", test.raw, value, ok, query.Get("x"), query.Single("x"))
		}
	}
}
