package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestIssuerOfAnAnswerIsChecked(t *testing.T) {
	const deployment = "https://coder.example.com"
	tests := []struct {
		name       string
		issuer     string // of the metadata
		issuerSent bool
		iss        string // "-" if there is none
		ok         bool
	}{
		{"no metadata, none", "", false, "-", true},
		{"no metadata, the deployment", "", false, deployment, true},
		{"no metadata, the deployment with a slash", "", false, deployment + "/", true},
		{"no metadata, two slashes", "", false, deployment + "//", false},
		{"no metadata, another", "", false, "https://other.example.com", false},
		{"no metadata, the deployment in capitals", "", false, strings.ToUpper(deployment), false},
		{"no metadata, empty", "", false, "", false},
		{"metadata, none", deployment, false, "-", true},
		{"metadata, none but announced", deployment, true, "-", false},
		{"metadata without issuer, none but announced", "", true, "-", false},
		{"metadata, the same", deployment, true, deployment, true},
		{"metadata, with a slash", deployment, true, deployment + "/", false},
		{"metadata with a slash, the same", deployment + "/", true, deployment + "/", true},
		{"metadata with a slash, without", deployment + "/", true, deployment, false},
		{"metadata, another", deployment, false, "https://other.example.com", false},
		{"metadata, empty", deployment, false, "", false},
	}
	for _, test := range tests {
		m := &metadata{}
		m.known.Store(&endpoints{issuer: test.issuer, issuerSent: test.issuerSent})
		c := &Client{app: Application{Deployment: deployment}, metadata: m}
		iss := strings.TrimPrefix(test.iss, "-")
		err := c.CheckIssuer(iss, test.iss != "-")
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrIssuer) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestCoderAtWhichSignInsWillFailIsWarnedAboutOnce(t *testing.T) {
	// A request that was given up may still be read when the next case begins.
	var serve atomic.Pointer[http.HandlerFunc]
	coder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*serve.Load())(w, r) }))
	defer coder.Close()
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}
	}
	tests := map[string]struct {
		serve http.HandlerFunc
		want  string // in the warning
	}{
		"no metadata":           {http.NotFound, "2.25"},
		"the start page":        {text(200, "<!doctype html><title>Coder</title>"), "2.25"},
		"redirected to a login": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "2.25"},
		"no PKCE methods":       {text(200, `{"issuer":"ISSUER"}`), "S256"},
		"plain alone":           {text(200, `{"issuer":"ISSUER","code_challenge_methods_supported":["plain"]}`), "S256"},
		"issuer of another":     {text(200, `{"issuer":"https://evil.example","code_challenge_methods_supported":["S256"]}`), "issuer"},
		"good":                  {text(200, `{"issuer":"ISSUER","code_challenge_methods_supported":["plain","S256"]}`), ""},
		"in trouble":            {text(500, "oops"), ""},
		"limits its rate":       {text(429, "slow down"), ""},
		"hangs up":              {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
		"no issuer":             {text(200, `{"code_challenge_methods_supported":["S256"]}`), ""},
	}
	for name, test := range tests {
		core, logs := observer.New(zap.WarnLevel)
		pool := NewPool(t.Context(), Options{Timeout: 1 << 40}, zap.New(core))
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorder := httptest.NewRecorder()
			test.serve(recorder, r)
			w.WriteHeader(recorder.Code)
			_, _ = fmt.Fprint(w, strings.ReplaceAll(recorder.Body.String(), "ISSUER", coder.URL))
		})
		serve.Store(&handler)
		m := newMetadata(pool, coder.URL)
		m.update()
		m.update() // an hour later
		switch lines := logs.All(); {
		case test.want == "" && len(lines) > 0:
			t.Errorf("%s: %v", name, lines)
		case test.want != "" && (len(lines) != 1 || !strings.Contains(lines[0].Message, test.want)):
			t.Errorf("%s: want one line with %q, got %v", name, test.want, lines)
		}
	}
}
