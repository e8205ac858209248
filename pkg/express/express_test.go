package express_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/understudy-host/understudy/pkg/express"
)

func TestCutPrefixFold(t *testing.T) {
	tests := []struct {
		s, prefix, rest string
		ok              bool
	}{
		{"/api/auth/coder", "/api/auth", "/coder", true},
		{"/API/Auth/Coder", "/api/auth", "/Coder", true},
		{"/api/auth", "/API/AUTH", "", true},
		{"/api/aut", "/api/auth", "/api/aut", false},
		{"/api/oauth", "/api/auth", "/api/oauth", false},
		{"/ſ/x", "/ss", "/ſ/x", false},
		{"/\u212a/x", "/kkk", "/\u212a/x", false},
		{"anything", "", "anything", true},
	}
	for _, test := range tests {
		rest, ok := express.CutPrefixFold(test.s, test.prefix)
		if rest != test.rest || ok != test.ok {
			t.Errorf("CutPrefixFold(%q, %q) = %q, %t, want %q, %t", test.s, test.prefix, rest, ok, test.rest, test.ok)
		}
	}
}

func TestAddVary(t *testing.T) {
	tests := []struct {
		before []string
		name   string
		want   []string
	}{
		{nil, "Origin", []string{"Origin"}},
		{[]string{"Accept-Encoding"}, "Origin", []string{"Accept-Encoding, Origin"}},
		{[]string{"Accept-Encoding", "Accept"}, "Origin", []string{"Accept-Encoding, Accept, Origin"}},
		{[]string{"Accept-Encoding,origin"}, "Origin", []string{"Accept-Encoding,origin"}},
		{[]string{"*"}, "Origin", []string{"*"}},
	}
	for _, test := range tests {
		header := http.Header{"Vary": test.before}
		if express.AddVary(header, test.name); !slices.Equal(header["Vary"], test.want) {
			t.Errorf("AddVary(%q, %q) = %q, want %q", test.before, test.name, header["Vary"], test.want)
		}
	}
}
