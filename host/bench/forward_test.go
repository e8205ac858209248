//go:build unix

package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/proxy"
)

// subjectVariable makes TestFallbackSubject a server: its value is what is measured, the kind and the URL of the backend.
const subjectVariable = "UNDERSTUDY_FALLBACK_SUBJECT"

// limit is how much more processor time than a bare ReverseProxy a request may cost.
const limit = 1.3

// BenchmarkFallback compares the processor time of a request through a host's fallback with that of one through a bare
// ReverseProxy. Each is a process of its own. They take turns, so that both see the same machine.
func BenchmarkFallback(b *testing.B) {
	compare(b, "fallback", "/api/catalog/entities/by-query?limit=20&orderField=metadata.name,asc")
}

// BenchmarkProxy does the same with a request through Backstage's proxy.
func BenchmarkProxy(b *testing.B) {
	compare(b, "proxy", "/api/proxy/coder/api/v2/workspaces?q=owner:me&limit=0")
}

func compare(b *testing.B, by, path string) {
	answer := []byte(`{"items":[` + strings.Repeat(`{"name":"a-component"},`, 40) + `null]}`)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		header := w.Header()
		for _, name := range []string{"Content-Security-Policy", "Referrer-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options", "Vary", "Etag"} {
			header.Set(name, "a value of a usual length")
		}
		header.Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(answer)
	}))
	defer backend.Close()
	const bare, silent, logging = "bare", "silent", "logging" // the last two are hosts
	kinds := []string{bare, silent, logging}
	subjects := make(map[string]*subject)
	for _, kind := range kinds {
		subjects[kind] = startSubject(b, by+" "+kind, backend.URL)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		b.Run(method, func(b *testing.B) {
			spent := make(map[string]time.Duration)
			const rounds, requests = 8, 2000
			for round := range rounds + 1 {
				for _, kind := range kinds {
					before := subjects[kind].cpu(b)
					drive(b, subjects[kind].url+path, method, requests)
					if round > 0 { // the first one warms up
						spent[kind] += subjects[kind].cpu(b) - before
					}
				}
			}
			b.ReportMetric(0, "ns/op") // it says nothing
			for _, kind := range kinds {
				b.ReportMetric(float64(spent[kind].Microseconds())/(rounds*requests), kind+"-µs/request")
			}
			ratio := float64(spent[silent]) / float64(spent[bare])
			b.ReportMetric(ratio, "silent/bare")
			b.ReportMetric(float64(spent[logging])/float64(spent[bare]), "logging/bare")
			if ratio > limit {
				b.Errorf("%.2f times the processor time of a bare ReverseProxy, want at most %.1f", ratio, limit)
			}
		})
	}
}

// subject is a process that passes requests on.
type subject struct {
	url    string
	in     io.Writer
	answer *bufio.Reader
}

func startSubject(t testing.TB, kind, backend string) *subject {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^TestFallbackSubject$", "-test.timeout=10m")
	command.Env = append(os.Environ(), subjectVariable+"="+kind+" "+backend)
	command.Stderr = os.Stderr
	in, err1 := command.StdinPipe()
	out, err2 := command.StdoutPipe()
	if err1 != nil || err2 != nil || command.Start() != nil {
		t.Fatal("the test does not start itself", err1, err2)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = command.Wait()
	})
	s := &subject{in: in, answer: bufio.NewReader(out)}
	s.url = s.line(t)
	return s
}

func (s *subject) line(t testing.TB) string {
	t.Helper()
	line, err := s.answer.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// cpu returns the processor time that the process has used.
func (s *subject) cpu(t testing.TB) time.Duration {
	t.Helper()
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		t.Fatal(err)
	}
	used, err := time.ParseDuration(s.line(t))
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// drive sends requests on several connections at once.
func drive(t testing.TB, target, method string, requests int64) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}}
	defer client.CloseIdleConnections()
	body := ""
	if method == http.MethodPost {
		body = strings.Repeat("x", 4000)
	}
	var left atomic.Int64
	left.Store(requests)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				r, _ := http.NewRequest(method, target, strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+strings.Repeat("t", 700))
				r.Header.Set("Cookie", "a-cookie="+strings.Repeat("c", 100))
				r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36")
				r.Header.Set("Accept-Encoding", "gzip, deflate, br")
				answer, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					t.Errorf("status %d", answer.StatusCode)
					return
				}
			}
		})
	}
	workers.Wait()
}

// TestFallbackSubject is a process of a benchmark.
func TestFallbackSubject(t *testing.T) {
	words := strings.Fields(os.Getenv(subjectVariable))
	if len(words) != 3 {
		t.Skip("it is a part of a benchmark")
	}
	by, kind, backend := words[0], words[1], words[2]
	target, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "bare" {
		server := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(target)
				p.Out.Host = p.In.Host
				p.SetXForwarded()
			},
			Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		})
		defer server.Close()
		fmt.Println(server.URL)
	} else {
		h := openHost(t, by, backend, kind == "logging")
		defer func() { _ = h.Close() }()
		fmt.Println(h.URL())
	}
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			t.Fatal(err)
		}
		fmt.Println(time.Duration(used.Utime.Nano() + used.Stime.Nano()))
	}
}

func openHost(t *testing.T, by, backend string, logged bool) *host.Host {
	t.Helper()
	dir := t.TempDir()
	config := "app: {baseUrl: http://localhost:3000}\nbackend: {baseUrl: http://localhost:0, listen: 127.0.0.1:0}\n" +
		"coder: {deployment: {accessUrl: http://127.0.0.1:1}, oauth: {clientId: backstage, clientSecret: bench-secret-value}}\n"
	if by == "proxy" {
		config += "proxy: {endpoints: {/coder: {target: '" + backend + "', allowedHeaders: [Authorization], credentials: dangerously-allow-unauthenticated}}}\n"
	} else {
		config += "understudy: {fallback: {target: '" + backend + "'}}\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "app-config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{"NODE_ENV=production", "LOG_LEVEL=warn"}
	if logged {
		environ = environ[:1]
	}
	h := host.New(host.Options{
		Plugins: []plugin.Plugin{coder.Plugin(), proxy.Plugin()}, Log: log, Config: appconfig.Options{RootDir: dir, Environ: environ},
	})
	if err := h.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return h
}
