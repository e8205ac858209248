package httpserver_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/pkg/httpserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(t testing.TB, text string) (httpserver.Options, error) {
	t.Helper()
	data, err := yaml.Parse([]byte("backend:\n  baseUrl: http://localhost:7007\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	return httpserver.ReadOptions(appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: data.(*value.Object)}))
}

// wrapped returns a function that answers requests, with routes under the server's layers.
func wrapped(t testing.TB, yaml string, routes http.HandlerFunc) (func(*http.Request) *http.Response, *httpserver.Health, *observer.ObservedLogs) {
	t.Helper()
	o, err := options(t, yaml)
	if err != nil {
		t.Fatal(err)
	}
	health := new(httpserver.Health)
	core, logs := observer.New(zap.InfoLevel)
	handler := httpserver.Wrap(o, health, zap.New(core), routes)
	return func(r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result()
	}, health, logs
}

func notFound(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	return string(text)
}

// The header sets were recorded from the Node backend.
func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	do, _, _ := wrapped(t, "", notFound)
	got := do(httptest.NewRequest("GET", "/nope", nil)).Header
	want := http.Header{
		"Content-Security-Policy": {"default-src 'self';base-uri 'self';font-src 'self' https: data:;frame-ancestors 'self';" +
			"img-src 'self' data:;object-src 'none';script-src 'self' 'unsafe-eval';script-src-attr 'none';" +
			"style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests"},
		"Referrer-Policy":                   {"no-referrer"},
		"Strict-Transport-Security":         {"max-age=15552000; includeSubDomains"},
		"X-Content-Type-Options":            {"nosniff"},
		"X-Dns-Prefetch-Control":            {"off"},
		"X-Download-Options":                {"noopen"},
		"X-Frame-Options":                   {"SAMEORIGIN"},
		"X-Permitted-Cross-Domain-Policies": {"none"},
		"X-Xss-Protection":                  {"0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestPoliciesFromConfig(t *testing.T) {
	do, _, _ := wrapped(t, `  csp: {connectSrc: ["'self'", 'http:'], upgrade-insecure-requests: false, script_src: ["'self'"]}
  referrer: {policy: [origin, same-origin]}
`, notFound)
	got := do(httptest.NewRequest("GET", "/nope", nil)).Header
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self';base-uri 'self';font-src 'self' https: data:;frame-ancestors 'self';img-src 'self' data:;" +
			"object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';connect-src 'self' http:",
		"Referrer-Policy": "origin,same-origin",
	} {
		if got.Get(name) != want {
			t.Errorf("%s\n got %s\nwant %s", name, got.Get(name), want)
		}
	}
}

func TestCompression(t *testing.T) {
	long := `{"text":"` + strings.Repeat("ab-", 700) + `"}`
	for _, c := range []struct {
		name, accept, contentType, cacheControl, body string
		packed, vary                                  bool
		status                                        int
	}{
		{"long JSON", "gzip, deflate, br", "application/json; charset=utf-8", "", long, true, true, 200},
		{"refused by quality", "gzip;q=0", "application/json; charset=utf-8", "", long, false, true, 200},
		{"not asked for", "", "application/json; charset=utf-8", "", long, false, true, 200},
		{"short", "gzip", "application/json; charset=utf-8", "", "{}", false, true, 200},
		{"not to be stored", "gzip", "text/html; charset=utf-8", "no-store", long, false, true, 200},
		{"not packable", "gzip", "image/png", "", long, false, false, 200},
		{"no body", "gzip", "", "", "", false, false, 200},
		{"of no type", "gzip", "", "", long, false, false, 200},
		{"an error, not to be stored", "gzip", "application/json; charset=utf-8", "no-store", long, true, true, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			do, _, _ := wrapped(t, "", func(w http.ResponseWriter, _ *http.Request) {
				if c.contentType != "" {
					w.Header().Set("Content-Type", c.contentType)
				}
				if c.cacheControl != "" {
					w.Header().Set("Cache-Control", c.cacheControl)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			r := httptest.NewRequest("GET", "/x", nil)
			r.Header.Set("Accept-Encoding", c.accept)
			answer := do(r)
			if got := answer.Header.Get("Content-Encoding") == "gzip"; got != c.packed {
				t.Errorf("packed: %v, want %v", got, c.packed)
			}
			if got := answer.Header.Get("Vary") == "Accept-Encoding"; got != c.vary {
				t.Errorf("Vary %q", answer.Header["Vary"])
			}
			if got := body(t, answer); !c.packed && got != c.body {
				t.Errorf("body %.60q", got)
			}
			if leak := answer.Header.Get("No-Gzip-Compression"); leak != "" {
				t.Error("a header meant for the compressor reaches the client")
			}
		})
	}
}

func TestHealth(t *testing.T) {
	do, health, _ := wrapped(t, "", notFound)
	probe := func(method, path string, status int, want string) {
		t.Helper()
		answer := do(httptest.NewRequest(method, path, nil))
		if got := body(t, answer); answer.StatusCode != status || got != want {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, answer.StatusCode, got, status, want)
		}
	}
	probe("GET", "/.backstage/health/v1/readiness", 503, `{"message":"Backend has not started yet","status":"error"}`)
	probe("GET", "/.backstage/health/v1/liveness", 200, `{"status":"ok"}`)
	health.SetReady()
	probe("GET", "/.Backstage/Health/v1/readiness/", 200, `{"status":"ok"}`)
	probe("HEAD", "/.backstage/health/v1/readiness", 200, "")
	probe("OPTIONS", "/.backstage/health/v1/readiness", 200, "GET,HEAD")
	probe("POST", "/.backstage/health/v1/readiness", 404, "")
	probe("GET", "/.backstage/health/v1/nope", 404, "")
	probe("GET", "//.backstage/health/v1/liveness", 404, "")
	health.SetStopping()
	probe("GET", "/.backstage/health/v1/readiness", 503, `{"message":"Backend is shutting down","status":"error"}`)
}

func TestRequestLogHoldsNoSecrets(t *testing.T) {
	do, _, logs := wrapped(t, "", notFound)
	r := httptest.NewRequest("GET", "/api/auth/coder/oauth/callback?code=s3cr3t-code&state=s3cr3t-state&env=development", nil)
	r.Header.Set("Referer", "https://coder.example/?token=s3cr3t-token")
	r.Header.Set("User-Agent", "curl\n[forged] line")
	do(r)
	lines := logs.TakeAll()
	if len(lines) != 1 {
		t.Fatalf("%d log lines, want 1", len(lines))
	}
	message := lines[0].Message
	_, message, _ = strings.Cut(message, "] ")
	want := `"GET /api/auth/coder/oauth/callback?code=***&state=***&env=development HTTP/1.1" 404 0 ` +
		`"https://coder.example/?token=***" "curl%0A[forged] line"`
	if message != want {
		t.Errorf("log line\n got %s\nwant %s", message, want)
	}
	for name, value := range lines[0].ContextMap() {
		if text, ok := value.(string); ok && strings.Contains(text, "s3cr3t") {
			t.Errorf("field %s holds a secret: %s", name, text)
		}
	}
}

// Whatever a client sends as its URL stays within the quotes, and has no control characters for a terminal.
func TestRequestLogEscapesURLs(t *testing.T) {
	do, _, logs := wrapped(t, "", notFound)
	r := httptest.NewRequest("GET", "/", nil)
	r.RequestURI = "/a\"_200_0_\"\u009b31m\u2028\x85/%22"
	do(r)
	line := logs.TakeAll()[0]
	if want := `"GET /a%22_200_0_%22%C2%9B31m%E2%80%A8%85/%22 HTTP/1.1" 404 `; !strings.Contains(line.Message, want) {
		t.Errorf("log line\n got %q\nwant %q in it", line.Message, want)
	}
	if got := line.ContextMap()["url"]; got != `/a%22_200_0_%22%C2%9B31m%E2%80%A8%85/%22` {
		t.Errorf("url %q", got)
	}
}

func TestReadOptions(t *testing.T) {
	for yaml, want := range map[string]string{
		"":                                      ":7007",
		"  listen: ':7107'\n":                   ":7107",
		"  listen: '8080'\n":                    ":8080",
		"  listen: 127.0.0.1:0\n":               "127.0.0.1:0",
		"  listen: {port: 7317, host: '::1'}\n": "[::1]:7317",
		"  listen: {port: '7317'}\n":            ":7317",
		"  listen: {port: 7317, host: ''}\n":    ":7317",
	} {
		o, err := options(t, yaml)
		if got := net.JoinHostPort(o.Host, strconv.Itoa(o.Port)); err != nil || got != want {
			t.Errorf("%q listens on %s, %v, want %s", yaml, got, err, want)
		}
	}
}

func TestReadOptionsReportsAllProblemsAtOnce(t *testing.T) {
	_, err := options(t, `  listen: {port: 70000}
  https: {certificate: {cert: not-pem, key: not-pem}}
  csp: {scriptSrc: 7}
  cors: {methods: 5, credentials: maybe, optionsSuccessStatus: 99}
`)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"config key 'backend.listen.port' in 'app-config.yaml' is 70000, expected a port from 0 to 65535",
		"config key 'backend.https.certificate' in 'app-config.yaml' does not hold a certificate and its key in PEM form",
		"'backend.csp.scriptSrc' in 'app-config.yaml'",
		"'backend.cors.methods' in 'app-config.yaml'",
		"'backend.cors.credentials' in 'app-config.yaml'",
		"config key 'backend.cors.optionsSuccessStatus' in 'app-config.yaml' is 99",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}
