package express_test

import (
	"net/http"
	"net/http/httptest"
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

func TestRedirect(t *testing.T) {
	tests := []struct{ method, accept, contentType, body string }{
		{"GET", "", "text/plain; charset=utf-8", "Found. Redirecting to /x?a&b"},
		{"GET", "text/html, text/plain", "text/plain; charset=utf-8", "Found. Redirecting to /x?a&b"},
		{"GET", "text/html,*/*", "text/html; charset=utf-8", "<p>Found. Redirecting to /x?a&amp;b</p>"},
		{"HEAD", "", "text/plain; charset=utf-8", ""},
	}
	for _, test := range tests {
		r := httptest.NewRequest(test.method, "/", nil)
		r.Header.Set("Accept", test.accept)
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Origin")
		express.Redirect(w, r, "/x?a&b")
		if w.Code != 302 || w.Body.String() != test.body || w.Header().Get("Content-Type") != test.contentType ||
			w.Header().Get("Location") != "/x?a&b" || w.Header().Get("Vary") != "Origin, Accept" {
			t.Errorf("%s, Accept %q: status %d, %v, %q", test.method, test.accept, w.Code, w.Header(), w.Body)
		}
	}
}

func TestEncodeURL(t *testing.T) {
	for raw, want := range map[string]string{
		"/a%20b?c=%ZZ&d=[e]#f": "/a%20b?c=%ZZ&d=[e]#f",
		"/a b\"<>`{}\r\né":     "/a%20b%22%3C%3E%60%7B%7D%0D%0A%C3%A9",
	} {
		if got := express.EncodeURL(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}
