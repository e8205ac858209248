package httpserver_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/logging"
)

// A request may not write much more to the log than it took to send, whatever its bytes are.
func TestRequestLogDoesNotAmplify(t *testing.T) {
	for name, unit := range map[string]string{"invalid UTF-8": "\xff", "quotes": `"`, "backslashes": `\`, "controls": "\x01", "C1": "\u009b", "letters": "a", "encoded": "%25"} {
		for _, asJSON := range []bool{true, false} {
			var out bytes.Buffer
			o, err := options(t, "")
			if err != nil {
				t.Fatal(err)
			}
			log, _ := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: asJSON})
			long := strings.Repeat(unit, 15_000/len(unit))
			r := httptest.NewRequest("GET", "/", nil)
			r.Method, r.RequestURI = strings.Repeat("M", 5000), "/"+long+"?code="+long
			r.Header.Set("Referer", long)
			r.Header.Set("User-Agent", long)
			httpserver.Wrap(o, new(httpserver.Health), log, http.HandlerFunc(notFound)).ServeHTTP(httptest.NewRecorder(), r)
			if out.Len() < 1000 || out.Len() > 4000 || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
				t.Errorf("%s, json=%v: %d bytes:\n%.300s", name, asJSON, out.Len(), out.String())
			}
		}
	}
}

// BenchmarkRequestLog measures a request whose cost is its line in the log.
func BenchmarkRequestLog(b *testing.B) {
	o, err := options(b, "")
	if err != nil {
		b.Fatal(err)
	}
	for name, json := range map[string]bool{"json": true, "console": false} {
		log, redactor := logging.New(logging.Options{Output: zapcore.AddSync(io.Discard), JSON: json})
		redactor.SetSecrets([]string{"0123456789abcdef0123456789abcdef", "a client secret", "another/secret+with=signs"})
		handler := httpserver.Wrap(o, new(httpserver.Health), log, http.HandlerFunc(notFound))
		for kind, uri := range map[string]string{"path": "/api/auth/coder/health", "query": "/api/auth/coder/oauth/callback?code=abc&state=def&env=development"} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				r := httptest.NewRequest("GET", uri, nil)
				r.Header.Set("Referer", "https://app.example/settings/auth-providers")
				r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36")
				b.ReportAllocs()
				for b.Loop() {
					handler.ServeHTTP(httptest.NewRecorder(), r)
				}
			})
		}
	}
}
