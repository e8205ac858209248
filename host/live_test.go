package host_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// patience bounds what should take a moment.
const patience = 20 * time.Second

func TestServerOptionsTakeEffectWithoutARestart(t *testing.T) {
	for header, steps := range map[string][][2]string{ // what the header has after a change
		"Content-Security-Policy": {
			{"csp: {img-src: [one]}", "img-src one;"}, {"csp: {imgSrc: [two]}", "img-src two;"}, {"csp: {img-src: false}", "frame-ancestors 'self';object-src"},
		},
		"Referrer-Policy":                  {{"referrer: {policy: [origin]}", "origin"}, {"referrer: {policy: [same-origin]}", "same-origin"}, {"csp: {}", "no-referrer"}},
		"Access-Control-Allow-Origin":      {{"cors: {origin: 'http://*.example'}", "http://a.example"}, {"cors: {origin: 'http://b.example'}", ""}},
		"Access-Control-Allow-Credentials": {{"cors: {origin: 'http://*', credentials: true}", "true"}, {"cors: {origin: 'http://*'}", ""}},
		"Access-Control-Expose-Headers":    {{"cors: {origin: 'http://*', exposedHeaders: [x-a]}", "x-a"}, {"cors: {origin: 'http://*', exposedHeaders: [x-a, x-b]}", "x-a,x-b"}},
	} {
		t.Run(header, func(t *testing.T) {
			t.Parallel()
			h := plugintest.Open(t, "")
			for _, step := range steps {
				h.Write("backend: {" + step[0] + "}\n")
				h.Log.Wait(t, "the changed config is in use")
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL(), nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Origin", "http://a.example")
				answer, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
				if got := answer.Header.Get(header); !strings.Contains(got, step[1]) || step[1] == "" && got != "" {
					t.Errorf("after %s: %q, want %q", step[0], got, step[1])
				}
			}
		})
	}
}

// A certificate is renewed in its files: the configuration does not change.
func TestChangedPEMFilesAreUsedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	pem := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	renew := func(name string) {
		for i, text := range pem.FindAllString(certified(t, name), -1) {
			path := filepath.Join(dir, []string{"cert.pem", "key.pem"}[i])
			text = strings.ReplaceAll(strings.Trim(text, `"`), `\n`, "\n")
			if err := errors.Join(os.WriteFile(path+"~", []byte(text), 0o600), os.Rename(path+"~", path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	renew("old.example")
	h := plugintest.Open(t, "backend: {baseUrl: https://localhost:0, https: {certificate: {cert: {$file: "+
		filepath.Join(dir, "cert.pem")+"}, key: {$file: "+filepath.Join(dir, "key.pem")+"}}}}\n")
	for _, name := range []string{"old.example", "new.example", "newer.example"} {
		if name != "old.example" {
			renew(name)
			want := `changed=["backend.https.certificate.cert","backend.https.certificate.key"] inUse=["server"]`
			if got := h.Log.Wait(t, "the changed config is in use"); !strings.Contains(got, want) {
				t.Errorf("the log says %s", got)
			}
		}
		conn, err := tls.Dial("tcp", strings.TrimPrefix(h.URL(), "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].DNSNames[0]; got != name {
			t.Errorf("served with the certificate of %s, want %s", got, name)
		}
		_ = conn.Close()
	}
}

func TestChangedShutdownDelayIsThatOfTheStop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app-config.yaml")
	write := func(delay string) {
		text := "backend: {baseUrl: 'http://localhost:0', listen: '127.0.0.1:0', lifecycle: {serverShutdownDelay: " + delay + "}}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1h")
	log, ended := new(plugintest.Log), make(chan error, 1)
	h := host.New(host.Options{Log: log, Config: appconfig.Options{Targets: []string{path}}})
	ctx, stop := context.WithCancel(context.Background())
	go func() { ended <- h.Run(ctx) }()
	log.Wait(t, "listening")
	write("PT2H")
	log.Wait(t, "the changed config is in use")
	stop()
	if got := log.Wait(t, "after the delay the requests in flight are finished"); !strings.Contains(got, `delay="2h0m0s"`) {
		t.Errorf("the log says %s", got)
	}
	if err := errors.Join(h.Close(), <-ended); err != nil { // Close ends the delay
		t.Error(err)
	}
}

// Coder hangs: calls end after their time, and only so many are made at once.
func TestLimitsOfCallsToCoderTakeEffectWithoutARestart(t *testing.T) {
	calls, release := make(chan struct{}, 100), make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			calls <- struct{}{}
			<-release
		}
	}))
	defer hangs.Close()
	config := func(limits string) string {
		return "coder: {deployment: {accessUrl: '" + hangs.URL + "'}, oauth: {clientId: x, clientSecret: a-client-secret, " + limits + "}}\n" +
			"auth: {providers: {coder: {development: {clientId: x, clientSecret: a-client-secret, deploymentUrl: '" + hangs.URL + "'}}}}\n"
	}
	h := plugintest.OpenOptions(t, config("timeout: 25s, maxConcurrentCalls: 2"), options(coder.Plugin()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var requests sync.WaitGroup
	refresh := func(statuses chan<- int) {
		requests.Go(func() {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL()+"/api/auth/coder/refresh?env=development", nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("X-Requested-With", "XMLHttpRequest")
			request.Header.Set("Cookie", "coder-refresh-token="+rand.Text())
			status := 0
			if answer, err := http.DefaultClient.Do(request); err == nil {
				_ = answer.Body.Close()
				status = answer.StatusCode
			}
			statuses <- status
		})
	}
	called := func(n int) {
		t.Helper()
		for range n {
			select {
			case <-calls:
			case <-ctx.Done():
				t.Errorf("less than %d calls were made at once", n)
			}
		}
	}
	some := make(chan int, 10)
	for range 3 { // one stranger calls, one waits, and one is refused
		refresh(some)
	}
	called(1)
	if got := <-some; got != http.StatusServiceUnavailable {
		t.Errorf("one of three requests got %d, want 503", got)
	}
	h.Write(config("timeout: 25s, maxConcurrentCalls: 100"))
	h.Log.Wait(t, "the changed config is in use")
	for range 3 {
		refresh(some)
	}
	called(3)
	h.Write(config("timeout: 10ms, maxConcurrentCalls: 100"))
	h.Log.Wait(t, "the changed config is in use")
	last := make(chan int, 1)
	refresh(last)
	if got := <-last; got != http.StatusGatewayTimeout {
		t.Errorf("a request got %d, want 504", got)
	}
	close(release)
	requests.Wait()
}
