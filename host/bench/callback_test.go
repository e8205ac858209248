package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
)

const callback = "/api/auth/coder/oauth/callback?code=abc&state=eyJyZXR1cm5UbyI6Ii9jYXRhbG9nIn0%3D"

// BenchmarkCallback measures the legacy callback, which calls Coder: in the host, and in a bare handler that makes the
// same call and writes a page of the same size.
func BenchmarkCallback(b *testing.B) {
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/oauth2/tokens" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"token","token_type":"Bearer","expires_in":86400,"refresh_token":"refresh"}`)
	}))
	defer fake.Close()

	b.Run("host", func(b *testing.B) {
		load(b, open(b, fake.URL).URL()+callback)
	})
	b.Run("floor", func(b *testing.B) {
		server := httptest.NewServer(floor(fake.URL))
		defer server.Close()
		load(b, server.URL+callback)
	})
}

// BenchmarkHealth measures the smallest answer of a plugin.
func BenchmarkHealth(b *testing.B) {
	b.Run("host", func(b *testing.B) {
		load(b, open(b, "http://127.0.0.1:1").URL()+"/api/auth/coder/health")
	})
	b.Run("floor", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `{"status":"ok"}`)
		}))
		defer server.Close()
		load(b, server.URL)
	})
}

// open starts a host for a Coder at coderURL, with its log in a file as in production.
func open(b *testing.B, coderURL string) *host.Host {
	b.Helper()
	dir := b.TempDir()
	config := fmt.Sprintf(`
app: {baseUrl: http://localhost:3000}
backend: {baseUrl: http://localhost:0, listen: 127.0.0.1:0}
coder:
  deployment: {accessUrl: %s}
  oauth: {clientId: backstage, clientSecret: bench-secret-value}
`, coderURL)
	if err := os.WriteFile(filepath.Join(dir, "app-config.yaml"), []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	h := host.New(host.Options{
		Plugins: []plugin.Plugin{coder.Plugin()}, Log: log,
		Config: appconfig.Options{RootDir: dir, Environ: []string{"NODE_ENV=production"}},
	})
	if err := h.Open(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = h.Close()
		_ = log.Close()
	})
	return h
}

// floor returns a handler that makes the call to Coder with a pooled client, and does nothing else.
func floor(coderURL string) http.Handler {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	page := strings.Repeat("x", 1600)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := client.PostForm(coderURL+"/oauth2/tokens", url.Values{
			"grant_type": {"authorization_code"}, "code": {r.URL.Query().Get("code")}, "client_id": {"backstage"}, "client_secret": {"bench-secret-value"},
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	})
}

// load requests target on several connections at once.
func load(b *testing.B, target string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64, DisableCompression: true,
		DialContext: (&net.Dialer{}).DialContext,
	}}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			answer, err := client.Get(target)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				b.Errorf("status %d", answer.StatusCode)
				return
			}
		}
	})
	client.CloseIdleConnections()
}
