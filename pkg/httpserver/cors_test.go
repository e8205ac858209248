package httpserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const corsYAML = "  cors: {origin: http://localhost:3000, methods: [GET, POST], credentials: true}\n"

func TestCORS(t *testing.T) {
	for _, c := range []struct {
		name, method string
		header       map[string]string
		status       int
		want         http.Header
	}{
		{"allowed", "GET", map[string]string{"Origin": "http://localhost:3000"}, 404, http.Header{
			"Access-Control-Allow-Origin": {"http://localhost:3000"}, "Access-Control-Allow-Credentials": {"true"}, "Vary": {"Origin"},
		}},
		{"allowed, other case and a slash", "GET", map[string]string{"Origin": "HTTP://LOCALHOST:3000/"}, 404, http.Header{
			"Access-Control-Allow-Origin": {"HTTP://LOCALHOST:3000/"}, "Access-Control-Allow-Credentials": {"true"}, "Vary": {"Origin"},
		}},
		{"preflight", "OPTIONS", map[string]string{
			"Origin": "http://localhost:3000", "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-requested-with,content-type",
		}, 204, http.Header{
			"Access-Control-Allow-Origin": {"http://localhost:3000"}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Allow-Methods": {"GET,POST"}, "Access-Control-Allow-Headers": {"x-requested-with,content-type"},
			"Vary": {"Origin, Access-Control-Request-Headers"},
		}},
		{"foreign", "GET", map[string]string{"Origin": "https://evil.example"}, 404, http.Header{"Vary": {"Origin"}}},
		{"foreign preflight", "OPTIONS", map[string]string{"Origin": "null"}, 404, http.Header{"Vary": {"Origin"}}},
		{"no origin", "GET", nil, 404, http.Header{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			do, _, _ := wrapped(t, corsYAML, notFound)
			r := httptest.NewRequest(c.method, "/x", nil)
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			answer := do(r)
			got := http.Header{}
			for name, values := range answer.Header {
				if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
					got[name] = values
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || answer.StatusCode != c.status {
				t.Errorf("status %d, want %d; headers (-want +got):\n%s", answer.StatusCode, c.status, diff)
			}
		})
	}
	t.Run("not configured", func(t *testing.T) {
		do, _, _ := wrapped(t, "", notFound)
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("Origin", "http://localhost:3000")
		if got := do(r).Header; got.Get("Access-Control-Allow-Origin") != "" || got.Get("Vary") != "" {
			t.Errorf("CORS headers without backend.cors: %v", got)
		}
	})
	t.Run("any origin", func(t *testing.T) {
		do, _, _ := wrapped(t, "  cors: {credentials: true}\n", notFound)
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("Origin", "https://evil.example")
		if got := do(r).Header; got.Get("Access-Control-Allow-Origin") != "*" || got.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("CORS headers without an origin list: %v", got)
		}
	})
}

// An option that is empty allows nothing. Only one that is not configured allows everything.
func TestEmptyCORSOptionsAllowNothing(t *testing.T) {
	for _, cors := range []string{`{origin: ""}`, `{origin: []}`} {
		do, _, _ := wrapped(t, "  cors: "+cors+"\n", notFound)
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("Origin", "https://evil.example")
		if got := do(r).Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s allows %q", cors, got)
		}
	}
	for _, headers := range []string{`""`, `[]`} {
		do, _, _ := wrapped(t, "  cors: {origin: http://localhost:3000, allowedHeaders: "+headers+"}\n", notFound)
		r := httptest.NewRequest("OPTIONS", "/x", nil)
		r.Header.Set("Origin", "http://localhost:3000")
		r.Header.Set("Access-Control-Request-Headers", "x-requested-with")
		if got := do(r).Header; got.Get("Access-Control-Allow-Origin") == "" || got.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("allowedHeaders %s: %v", headers, got)
		}
	}
}

func TestCORSOptions(t *testing.T) {
	const allowed = "  cors: {origin: http://localhost:3000, "
	common := http.Header{"Access-Control-Allow-Origin": {"http://localhost:3000"}, "Access-Control-Allow-Methods": {"GET,HEAD,PUT,PATCH,POST,DELETE"}}
	for yaml, want := range map[string]struct {
		status       int
		name, header string
	}{
		"exposedHeaders: [X-A, X-B]}\n": {204, "Access-Control-Expose-Headers", "X-A,X-B"},
		"allowedHeaders: [X-A, X-B]}\n": {204, "Access-Control-Allow-Headers", "X-A,X-B"},
		"maxAge: 600}\n":                {204, "Access-Control-Max-Age", "600"},
		"credentials: false}\n":         {204, "", ""},
		"optionsSuccessStatus: 200}\n":  {200, "", ""},
		"preflightContinue: true}\n":    {404, "", ""},
	} {
		do, _, _ := wrapped(t, allowed+yaml, notFound)
		r := httptest.NewRequest("OPTIONS", "/x", nil)
		r.Header.Set("Origin", "http://localhost:3000")
		answer := do(r)
		expected := common.Clone()
		if want.name != "" {
			expected.Set(want.name, want.header)
		}
		got := http.Header{}
		for name, values := range answer.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				got[name] = values
			}
		}
		if diff := cmp.Diff(expected, got); diff != "" || answer.StatusCode != want.status {
			t.Errorf("%s: status %d, want %d; headers (-want +got):\n%s", yaml, answer.StatusCode, want.status, diff)
		}
	}
}
