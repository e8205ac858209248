//go:build e2e

package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// backend is the least that the demo page needs of a host: one session, in memory, and both protocols.
type backend struct {
	s       *Sandbox
	oauth   oauth2.Config
	mu      sync.Mutex
	token   *oauth2.Token
	message string // when set, the callback answers with this error
}

// openWithBackend starts a sandbox whose page signs in through a backend of this test.
func openWithBackend(t *testing.T, o Options) (*Sandbox, *backend) {
	b := &backend{}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	o.BackendURL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	o.Client.RedirectURIs = []string{
		o.BackendURL + "/api/auth/coder/handler/frame", o.BackendURL + "/api/auth/coder/oauth/callback",
	}
	b.s = open(t, o)
	b.oauth = oauth2.Config{
		ClientID: o.Client.ID, ClientSecret: o.Client.Secret,
		Endpoint: oauth2.Endpoint{
			AuthURL: b.s.CoderURL() + "/oauth2/authorize", TokenURL: b.s.CoderURL() + "/oauth2/tokens",
		},
		RedirectURL: o.BackendURL + "/api/auth/coder/",
	}
	return b.s, b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") == b.s.DemoURL() {
		w.Header().Set("Access-Control-Allow-Origin", b.s.DemoURL())
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Access-Control-Allow-Headers", "X-Requested-With, Coder-Session-Token")
	}
	if path, ok := strings.CutPrefix(r.URL.Path, "/api/proxy/coder"); ok && r.Method == http.MethodGet {
		r.URL.Path = path
		coder, _ := url.Parse(b.s.CoderURL())
		httputil.NewSingleHostReverseProxy(coder).ServeHTTP(w, r)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/api/auth/coder/")
	header, q := r.Header.Get("X-Requested-With"), r.URL.Query()
	config := b.oauth
	switch {
	case r.Method == http.MethodOptions, path == "health":
		w.WriteHeader(http.StatusOK)
	case path == "start" && q.Get("origin") == b.s.DemoURL() && q.Get("flow") == "popup" &&
		q.Get("env") == "development":
		config.RedirectURL += "handler/frame"
		http.Redirect(w, r, config.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), http.StatusFound)
	case path == "oauth2/authorize" && q.Get("redirect_uri") == config.RedirectURL+"oauth/callback":
		config.RedirectURL += "oauth/callback"
		http.Redirect(w, r, config.AuthCodeURL(q.Get("state"), oauth2.S256ChallengeOption(verifier)), http.StatusFound)
	case path == "handler/frame":
		config.RedirectURL += path
		b.callback(w, r, config, func(problem string) string {
			result := fmt.Sprintf(`error: {name: "Error", message: %q}`, problem)
			if problem == "" {
				result = "response: " + b.session()
			}
			return b.post(`{type: "config_info", targetOrigin: origin}`) +
				b.post(`{type: "authorization_response", `+result+`}`)
		})
	case path == "oauth/callback":
		config.RedirectURL += path
		b.callback(w, r, config, func(problem string) string {
			if problem != "" {
				return b.post(fmt.Sprintf(`{type: "coder-oauth-error", error: %q}`, problem))
			}
			return b.post(fmt.Sprintf(`{type: "coder-oauth-success", token: %q}`, b.token.AccessToken))
		})
	case path == "refresh" && header == "XMLHttpRequest" && b.token != nil:
		b.token.Expiry = time.Unix(1, 0) // so that the source refreshes
		token, err := b.oauth.TokenSource(r.Context(), b.token).Token()
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		b.token = token
		_, _ = w.Write([]byte(b.session()))
	case path == "logout" && header == "XMLHttpRequest" && r.Method == http.MethodPost:
		b.token = nil
	default:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":{"name":"AuthenticationError","message":"Missing session cookie"}}`))
	}
}

// callback exchanges the code and runs the script that say returns for the problem, or for none.
func (b *backend) callback(
	w http.ResponseWriter, r *http.Request, config oauth2.Config, say func(problem string) string,
) {
	problem := b.message
	if q := r.URL.Query(); q.Has("error") {
		problem = "Authentication rejected, " + q.Get("error_description")
	} else if problem == "" {
		token, err := config.Exchange(r.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			problem = err.Error()
		}
		b.token = token
	}
	_, _ = fmt.Fprintf(w, "<script>const origin = %q; %s setTimeout(() => close(), 100)</script>", b.s.DemoURL(), say(problem))
}

func (b *backend) post(message string) string { return "opener.postMessage(" + message + ", origin);" }

func (b *backend) session() string {
	out, _ := json.Marshal(map[string]any{
		"profile": map[string]string{
			"displayName": "Dana Okafor", "email": "dana@example.com", "picture": b.s.CoderURL() + "/avatars/dana.svg",
		},
		"providerInfo": map[string]any{
			"accessToken": b.token.AccessToken, "scope": "", "expiresInSeconds": b.token.ExpiresIn,
		},
	})
	return string(out)
}

// tab is a browser page at the demo app that collects what its console complains about.
type tab struct {
	context.Context
	t          *testing.T
	mu         sync.Mutex
	complaints []string
}

func newTab(t *testing.T, url string, flags ...chromedp.ExecAllocatorOption) *tab {
	path := ""
	for _, name := range []string{"chrome", "google-chrome", "chromium-browser", "chromium"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path),
		chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1100, 900))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(options, flags...)...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	b := &tab{t: t}
	b.Context, cancel = chromedp.NewContext(ctx, chromedp.WithListener(func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, e.ExceptionDetails.Text)
		}
	}))
	t.Cleanup(cancel)
	b.run(chromedp.Navigate(url))
	b.state("signed-out", "")
	return b
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, actions...); err != nil {
		b.t.Fatalf("%v; the console says %q", err, b.console())
	}
}

func (b *tab) console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.complaints)
}

// state waits for the page's state and for text in its status line.
func (b *tab) state(want, text string) {
	b.t.Helper()
	b.run(chromedp.Poll[chromedp.Void](fmt.Sprintf(
		`document.body?.dataset.state === %q && document.querySelector('#status').textContent.includes(%q)`, want, text)))
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	s, err := chromedp.Run(b, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// popup presses a button and then does actions in the popup that it opens.
func (b *tab) popup(button string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	opened := chromedp.WaitNewTarget(b, func(i *target.Info) bool { return i.Type == "page" })
	b.run(chromedp.Click(chromedp.CSS(button)))
	var id target.ID
	select {
	case id = <-opened:
	case <-b.Done():
		b.t.Fatalf("no popup opened; the console says %q", b.console())
	}
	ctx, cancel := chromedp.NewContext(b, chromedp.WithTargetID(id), chromedp.WithDetachOnCancel())
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil && !strings.Contains(err.Error(), "closed") {
		b.t.Fatal(err)
	}
}

func TestBrowserCurrentPlugin(t *testing.T) {
	s, _ := openWithBackend(t, options())
	b := newTab(t, s.DemoURL())
	b.popup("#sign-in", chromedp.Click(chromedp.CSS("#allow")))
	b.state("signed-in", "Signed in.")
	b.run(chromedp.WaitVisible(chromedp.CSS(
		`#workspaces[aria-busy=false] tr[data-workspace="dana-dev"][data-status=running]`)))
	for selector, want := range map[string]string{
		"#user-name": "Dana Okafor", "#user-email": "dana@example.com", "#workspace-count": "5",
		"#token-expiry": "in 2", // 24 hours, or 23 when the test is slow
	} {
		if got := b.text(selector); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", selector, got)
		}
	}
	stored, err := chromedp.Run(b, chromedp.Evaluate[string](
		`JSON.stringify([localStorage, sessionStorage, document.cookie])`))
	if err != nil || stored != `[{"understudy-sandbox-session":"yes"},{},""]` {
		t.Errorf("stored in the browser: %s, %v", stored, err)
	}

	b.run(chromedp.Click(chromedp.CSS("#refresh")))
	b.state("signed-in", "Session refreshed")
	b.run(chromedp.Reload())
	b.state("signed-in", "Session restored")
	b.run(chromedp.Click(chromedp.CSS("#sign-out")))
	b.state("signed-out", "Signed out.")
	b.run(chromedp.Reload())
	b.state("signed-out", "Not signed in.")
	if got := b.console(); len(got) > 0 {
		t.Errorf("the console says %q", got)
	}
}

func TestBrowserLegacyPlugin(t *testing.T) {
	s, _ := openWithBackend(t, options())
	b := newTab(t, s.DemoURL())
	b.popup("#sign-in-legacy", chromedp.Click(chromedp.CSS("#user-lin")), chromedp.Click(chromedp.CSS("#allow")))
	b.state("signed-in", "Signed in.")
	b.run(chromedp.WaitVisible(chromedp.CSS(`#workspaces[aria-busy=false] tr[data-workspace="lin-dev"]`)))
	if name := b.text("#user-name"); name != "Lin Castellanos" {
		t.Errorf("name: %q", name)
	}
	b.run(chromedp.WaitNotVisible(chromedp.CSS("#refresh")), chromedp.Click(chromedp.CSS("#sign-out")))
	b.state("signed-out", "forgotten")
	if got := b.console(); len(got) > 0 {
		t.Errorf("the console says %q", got)
	}
}

func TestBrowserFailures(t *testing.T) {
	s, fake := openWithBackend(t, options())
	b := newTab(t, s.DemoURL())
	for name, test := range map[string]struct {
		button, message string
		action          chromedp.Action[chromedp.Void]
		want            string
	}{
		"cancelled": {
			"#sign-in", "", chromedp.Click(chromedp.CSS("#cancel")), "Authentication rejected, The resource owner",
		},
		"cancelled, legacy": {
			"#sign-in-legacy", "", chromedp.Click(chromedp.CSS("#cancel")), "Authentication rejected, The resource owner",
		},
		"backend's error": {
			"#sign-in", "Invalid nonce", chromedp.Click(chromedp.CSS("#allow")), "Invalid nonce",
		},
		"legacy one's error": {
			"#sign-in-legacy", "it is out", chromedp.Click(chromedp.CSS("#allow")), "it is out",
		},
		"popup closed": {
			"#sign-in", "", chromedp.Evaluate[chromedp.Void](`setTimeout(close); undefined`), "popup was closed",
		},
		"popup closed, legacy": {
			"#sign-in-legacy", "", chromedp.Evaluate[chromedp.Void](`setTimeout(close); undefined`), "popup was closed",
		},
	} {
		fake.mu.Lock()
		fake.message = test.message
		fake.mu.Unlock()
		b.popup(test.button, chromedp.WaitVisible(chromedp.CSS("#allow")), test.action)
		b.state("signed-out", "Not signed in.")
		if got := b.text("#error"); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestBrowserBackendIsDown(t *testing.T) {
	o := options()
	down := httptest.NewServer(http.NotFoundHandler())
	o.BackendURL = down.URL
	down.Close()
	b := newTab(t, open(t, o).DemoURL())
	b.run(chromedp.WaitVisible(chromedp.CSS("#error")))
	if got := b.text("#error"); !strings.Contains(got, "make run") || !strings.Contains(got, o.BackendURL) {
		t.Errorf("error: %q", got)
	}
	b.run(chromedp.Click(chromedp.CSS("#sign-in")))
	b.state("signed-out", "Not signed in.")
	if got := b.text("#error"); !strings.Contains(got, "make run") {
		t.Errorf("error: %q", got)
	}
}
