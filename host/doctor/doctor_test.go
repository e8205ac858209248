package doctor_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/host/doctor"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a-client-secret-of-coder"

// stack is a host at a stand-in for Coder.
type stack struct {
	coder  *sandbox.Sandbox
	host   *plugintest.Host
	url    string
	config string
}

// open starts both. middleware wraps the stand-in.
func open(t *testing.T, middleware func(http.Handler) http.Handler) *stack {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{url: "http://" + free.Addr().String()}
	s.coder, err = sandbox.Open(sandbox.Options{
		CoderAddr: "127.0.0.1:0", DemoAddr: "127.0.0.1:0", BackendURL: s.url, Middleware: middleware,
		Client: sandbox.Client{ID: "backstage", Secret: secret, RedirectURIs: []string{s.url + "/api/auth/coder/oauth/callback"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.coder.Close(context.Background()) })
	s.config = fmt.Sprintf(`
app: {baseUrl: 'http://127.0.0.1:3000'}
backend: {baseUrl: '%s', listen: '%s', cors: {origin: 'http://127.0.0.1:3000', credentials: true}}
coder: {deployment: {accessUrl: '%s'}, oauth: {clientId: backstage, clientSecret: %s}}
understudy: {session: {keys: [a-long-enough-session-key-for-this-test]}}
`, s.url, free.Addr(), s.coder.CoderURL(), secret)
	_ = free.Close()
	s.host = plugintest.OpenOptions(t, s.config, options())
	return s
}

func options() host.Options {
	return host.Options{Plugins: []plugin.Plugin{coder.Plugin()}, Extensions: []plugin.Extension{sandbox.Extension()}}
}

// examine returns the lines that doctor reports for a configuration.
func examine(t *testing.T, content string) string {
	t.Helper()
	data, err := yaml.Parse([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	config := appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: data.(*value.Object)})
	var lines strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = doctor.Run(ctx, options(), config, func(f plugin.Finding) {
		fmt.Fprintf(&lines, "%s | %s | %s\n", f.Result, f.Of, f.Text)
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines.String()
}

func TestHealthyBackendIsFoundSo(t *testing.T) {
	var posts []string
	s := open(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				posts = append(posts, r.URL.Path)
			}
			next.ServeHTTP(w, r)
		})
	})
	got := examine(t, s.config)
	if strings.Contains(got, "WRONG") || strings.Contains(got, "doubt") || strings.Contains(got, secret) {
		t.Errorf("found:\n%s", got)
	}
	for _, want := range []string{
		"ok | backend.baseUrl " + s.url + " | a backend answers, and is ready", "ok | calls from http://127.0.0.1:3000 | ",
		"ok | " + s.coder.CoderURL() + " | answers in ", "ok | the clock | ", "lists PKCE with S256",
		"ok | coder.oauth: client and secret | Coder knows them", "ok | the route " + s.url + "/api/auth/coder/start?env=development | this host answers",
		"look | coder.oauth: callback URL and scopes | ", "open " + s.coder.CoderURL() + "/oauth2/authorize?client_id=backstage&", "skipped | the Node backend",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not said: %s\n%s", want, got)
		}
	}
	if len(posts) != 1 || posts[0] != "/oauth2/tokens" {
		t.Errorf("sent to %s, want one request with the secret, to the token endpoint", posts)
	}
}

func TestWhatIsWrongIsSaidWithARemedy(t *testing.T) {
	skewed := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			next.ServeHTTP(w, r)
		})
	}
	document := func(text string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/.well-known/") {
					_, _ = io.WriteString(w, text)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	tokens := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"a","token_type":"Bearer"}`)
		})
	}
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/start") {
			http.Redirect(w, r, "http://coder.example/oauth2/authorize?client_id=backstage", http.StatusFound)
		}
	}))
	defer node.Close()
	for name, test := range map[string]struct {
		middleware func(http.Handler) http.Handler
		change     []string // pairs to replace in the configuration that is examined
		want       string
	}{
		"another secret":      {nil, []string{secret, "another-secret"}, "WRONG | coder.oauth: client and secret | exchanging the code at Coder: status 401: invalid_client: check clientId"},
		"another client":      {nil, []string{"clientId: backstage", "clientId: other"}, "WRONG | coder.oauth: client and secret | "},
		"nobody at baseUrl":   {nil, []string{"baseUrl: 'http://127", "baseUrl: 'http://127.0.0.1:1', x: 'http://127"}, "WRONG | backend.baseUrl http://127.0.0.1:1 | dial tcp"},
		"nobody at Coder":     {nil, []string{"accessUrl: 'http://127", "accessUrl: 'http://127.0.0.1:1', x: 'http://127"}, "WRONG | http://127.0.0.1:1 | asking for the version at Coder: dial tcp"},
		"the app's origin":    {nil, []string{"app: {baseUrl: 'http://127.0.0.1:3000'}", "app: {baseUrl: 'http://127.0.0.1:3001'}"}, "WRONG | calls from http://127.0.0.1:3001 | the backend does not allow the app's origin: set backend.cors.origin"},
		"two sites":           {nil, []string{"app: {baseUrl: 'http://127.0.0.1:3000'}", "app: {baseUrl: 'http://portal.example.com'}"}, "WRONG | the cookies | app (http://portal.example.com) and callback"},
		"Node answers":        {nil, []string{"baseUrl: 'http://127", "baseUrl: '" + node.URL + "', x: 'http://127"}, "it sends no PKCE challenge, so the Node backend answers"},
		"another client here": {nil, []string{"clientId: backstage", "clientId: other"}, "it leads to another deployment, client or callback URL"},
		"the clock":           {skewed, nil, "WRONG | the clock | it is 1h0m0s ahead of Coder's"},
		"no metadata":         {document("<html>"), nil, "WRONG | the OAuth2 metadata"},
		"no PKCE":             {document(`{}`), nil, "does not list the PKCE method S256"},
		"another issuer":      {document(`{"issuer":"http://other.example","code_challenge_methods_supported":["S256"]}`), nil, "it names the issuer http://other.example"},
		"no Coder at all":     {tokens, nil, "tokens for a code that does not exist"},
		"a missing key":       {nil, []string{"clientId: backstage, ", ""}, "WRONG | the configuration | "},
		"another type":        {nil, []string{"listen: '127", "csp: 1, listen: '127"}, "WRONG | the configuration | "},
		"the sandbox":         {nil, []string{"understudy: {", "understudy: {sandbox: {enabled: true}, "}, "skipped | everything else | understudy.sandbox.enabled is true"},
		"no fallback there":   {nil, []string{"understudy: {", "understudy: {fallback: {target: 'http://127.0.0.1:1'}, "}, "WRONG | understudy.fallback.target | dial tcp"},
		"a wrong policy":      {nil, []string{"cors: {", "auth: {externalAccess: [{type: x, options: {}}]}, cors: {"}, "WRONG | the configuration | config key 'backend.auth.externalAccess[0].type'"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, test.middleware)
			if got := examine(t, strings.NewReplacer(test.change...).Replace(s.config)); !strings.Contains(got, test.want) || strings.Contains(got, secret) {
				t.Errorf("not said: %s\n%s", test.want, got)
			}
		})
	}
}

// TestNodeBackendsCoderProviderIsLookedAt: it has to ask the internal listener, and not Coder.
func TestNodeBackendsCoderProviderIsLookedAt(t *testing.T) {
	var asked []string
	leads := func(to string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	const listener, relaySecret = "http://127.0.0.1:7017", "a-secret-of-the-relay-0123456789"
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"right":             {leads(listener + "/oauth2/authorize?client_id=backstage"), "ok | OF | it is there"},
		"Coder's":           {leads("http://coder.invalid/oauth2/authorize?client_id=backstage"), "WRONG | OF | its deploymentUrl is Coder's: set it to " + listener},
		"somewhere":         {leads("https://relay.example/oauth2/authorize?client_id=backstage"), "doubt | OF | its deploymentUrl is https://relay.example, and the internal listener is " + listener},
		"another client":    {leads(listener + "/oauth2/authorize?client_id=other"), "WRONG | OF | its clientId is not that of auth.providers.coder.development"},
		"this host":         {leads(listener + "/oauth2/authorize?client_id=backstage&code_challenge=x"), "WRONG | OF | it sends a PKCE challenge, so this host answers"},
		"no Coder provider": {http.NotFound, "WRONG | OF | status 404: add @coder/plugin-auth-backend-module-coder-provider there, and auth.providers.coder.development"},
		"down":              {nil, "WRONG | OF | dial tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, nil)
			node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Cookie"))
				recorder := httptest.NewRecorder()
				test.answer(recorder, r)
				w.Header().Set("Location", strings.Replace(recorder.Header().Get("Location"), "http://coder.invalid", s.coder.CoderURL(), 1))
				w.WriteHeader(recorder.Code)
			}))
			defer node.Close()
			if test.answer == nil {
				node.Close()
			}
			got := examine(t, strings.NewReplacer(
				"coder: {deployment: {accessUrl: ", "auth: {environment: development, providers: {coder: {development: {signIn: {resolvers: []}, deploymentUrl: ",
				"}, oauth: {clientId", ", clientId", secret+"}}", secret+"}}}}",
				"understudy: {", "understudy: {identity: {target: '"+node.URL+"', clientSecret: "+relaySecret+"}, ",
			).Replace(s.config))
			of := "the Node backend's Coder provider " + node.URL + "/api/auth/coder, env development"
			if want := strings.Replace(test.want, "OF", of, 1); !strings.Contains(got, want) || strings.Contains(got, relaySecret) {
				t.Errorf("not said: %s\n%s", want, got)
			}
		})
	}
	for _, request := range asked {
		if request != "GET /api/auth/coder/start " {
			t.Errorf("the Node backend is asked %q", request)
		}
	}
}
