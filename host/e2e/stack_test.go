//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
	"github.com/understudy-host/understudy/plugin/plugintest"
	"github.com/understudy-host/understudy/plugin/proxy"
)

// The OAuth2 client of start. makeRun has one of its own.
const (
	clientID     = "e2e-client"
	clientSecret = "e2e-client-secret-that-nobody-may-see"
)

// setup is what a test can change about its stack.
type setup struct {
	replicas int                    // number of hosts, which take turns; 0 means 1
	config   string                 // YAML, above the configuration of every stack
	app      string                 // the app's origin; by default the sandbox's demo page
	sandbox  func(*sandbox.Options) // changes the options of the stand-in
	coder    func(*http.Request)    // sees, and may change, each request to the stand-in
	backend  func(*http.Request)    // the same for the host
	grant    func(map[string]any)   // changes the answers of the token endpoint
}

// stack is a running host with a stand-in for Coder, behind a reverse proxy as in production.
type stack struct {
	t       *testing.T
	backend string // backend.baseUrl
	app     string // the app's origin
	coder   string // the stand-in
	demo    string // the sandbox's demo page

	log plugintest.Log

	mu     sync.Mutex
	issued []string // all tokens that the stand-in has issued
}

// start runs hosts, with a stand-in that the test can change.
func start(t *testing.T, o setup) *stack {
	t.Helper()
	s := &stack{t: t}
	// The proxy comes first: the host and the sandbox need each other's address.
	var targets []*url.URL
	var turn atomic.Uint64
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		if o.backend != nil {
			o.backend(r.In)
		}
		r.SetURL(targets[turn.Add(1)%uint64(len(targets))])
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(front.Close)
	s.backend = localhost(front.URL)

	options := sandbox.Options{
		CoderAddr: "localhost:0", DemoAddr: "localhost:0", BackendURL: s.backend,
		Client: sandbox.Client{ID: clientID, Secret: clientSecret, RedirectURIs: []string{
			s.backend + "/api/auth/coder/handler/frame", s.backend + "/api/auth/coder/oauth/callback",
		}},
		Middleware: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if o.coder != nil {
					o.coder(r)
				}
				if r.URL.Path != "/oauth2/tokens" {
					next.ServeHTTP(w, r)
					return
				}
				s.token(w, r, next, o.grant)
			})
		},
	}
	if o.sandbox != nil {
		o.sandbox(&options)
	}
	box, err := sandbox.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, box.Close) })
	s.coder, s.demo, s.app = box.CoderURL(), box.DemoURL(), o.app
	if s.app == "" {
		s.app = s.demo
	}

	config := filepath.Join(t.TempDir(), "app-config.yaml")
	common := strings.NewReplacer("BACKEND", s.backend, "APP", s.app, "CODER", s.coder).Replace(`
app:
  baseUrl: APP
backend:
  baseUrl: BACKEND
  listen: 127.0.0.1:0
  cors:
    origin: APP
    credentials: true
proxy:
  endpoints:
    /coder: { target: CODER, allowedMethods: [GET], allowedHeaders: [Coder-Session-Token], credentials: dangerously-allow-unauthenticated }
coder:
  deployment:
    accessUrl: CODER
  oauth:
    clientId: ` + clientID + `
    clientSecret: ` + clientSecret + `
`)
	write(t, config, common)
	files := []string{config}
	if o.config != "" {
		more := filepath.Join(filepath.Dir(config), "app-config.more.yaml")
		write(t, more, strings.ReplaceAll(o.config, "CODER", s.coder))
		files = append(files, more)
	}
	for range max(1, o.replicas) {
		target, err := url.Parse(s.open(host.Options{Config: appconfig.Options{Targets: files}}))
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	return s
}

// freePorts are variables that make the committed configuration use free ports.
var freePorts = []string{
	"APP_CONFIG_app_baseUrl=http://localhost:0", "APP_CONFIG_backend_baseUrl=http://localhost:0",
	"APP_CONFIG_backend_listen_port=0", "APP_CONFIG_coder_deployment_accessUrl=http://localhost:0",
	"APP_ORIGIN=http://localhost:*",
}

// makeRun runs what `make run` runs: the committed configuration with the sandbox.
func makeRun(t *testing.T, environ []string) *stack {
	t.Helper()
	s := &stack{t: t}
	s.backend = localhost(s.open(host.Options{
		Extensions: []plugin.Extension{sandbox.Extension()},
		Config:     appconfig.Options{Targets: []string{"../../app-config.yaml", "../../app-config.local.yaml"}, Environ: environ},
	}))
	s.coder = s.logged(`stands in for Coder\s.*"(http://localhost:\d+)"`)
	s.demo = s.logged(`open (http://localhost:\d+) in a browser`)
	s.app = s.demo
	return s
}

// open starts a host and returns its URL. When the test ends, it closes the host, searches the log for secrets, and
// shows it if the test has failed.
func (s *stack) open(o host.Options) string {
	s.t.Helper()
	o.Plugins, o.Log = []plugin.Plugin{coder.Plugin(), proxy.Plugin()}, &s.log
	h := host.New(o)
	if err := h.Open(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := h.Close(); err != nil {
			s.t.Errorf("close the host: %v", err)
		}
		log := s.log.String()
		for _, secret := range append(s.tokens(), clientSecret) {
			if strings.Contains(log, secret) {
				s.t.Error("a token or the client secret is in the host's log")
				return
			}
		}
		if s.t.Failed() {
			s.t.Logf("the host's log:\n%s", log)
		}
	})
	return h.URL()
}

// token answers requests to the token endpoint, and notes the issued tokens.
func (s *stack) token(w http.ResponseWriter, r *http.Request, next http.Handler, change func(map[string]any)) {
	recorder := httptest.NewRecorder()
	next.ServeHTTP(recorder, r)
	body := recorder.Body.Bytes()
	var answer map[string]any
	if json.Unmarshal(body, &answer) == nil && answer["access_token"] != nil {
		if change != nil {
			change(answer)
			body, _ = json.Marshal(answer)
		}
		s.mu.Lock()
		for _, name := range []string{"access_token", "refresh_token"} {
			if token, ok := answer[name].(string); ok {
				s.issued = append(s.issued, token)
			}
		}
		s.mu.Unlock()
	}
	maps.Copy(w.Header(), recorder.Header())
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(body)
}

// tokens returns all access and refresh tokens that the stand-in has issued so far.
func (s *stack) tokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issued)
}

// logged returns the first group of a pattern's match in the host's log.
func (s *stack) logged(pattern string) string {
	s.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(s.log.String())
	if found == nil {
		s.t.Fatalf("nothing in the log matches %q", pattern)
	}
	return found[1]
}

// works reports whether Coder accepts an access token.
func (s *stack) works(token string) bool {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.coder+"/api/v2/users/me", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// serve runs a web server until the test ends, and returns its URL.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL // http://127.0.0.1:port
}

// localhost returns the URL of the same server with another host name, and so another origin.
func localhost(url string) string { return strings.Replace(url, "127.0.0.1", "localhost", 1) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func closing(t *testing.T, end func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := end(ctx); err != nil {
		t.Error(err)
	}
}
