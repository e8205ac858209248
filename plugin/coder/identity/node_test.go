package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientID = "backstage"
	secret   = "a-secret-of-the-relay-0123456789"
	prose    = "prose-of-node"
	// issued is a member backstageIdentity in an order and with a member that no type here has.
	issued = `{"token":"node.signed.token","expiresInSeconds":3599,"identity":{"type":"user","userEntityRef":"user:default/wren","ownershipEntityRefs":["user:default/wren"]},"more":{"b":1,"a":2}}`
	// unresolved is what Backstage's backend answers if no resolver finds the user, as it was recorded.
	unresolved = `{"error":{"name":"AuthenticationError","message":"Refresh failed; caused by Error: Failed to sign-in, unable to resolve user identity.","cause":{"name":"Error","message":"Failed to sign-in, unable to resolve user identity."}},"request":{"method":"GET","url":"/coder/refresh?env=development"},"response":{"statusCode":401}}`
)

var wren = upstream.Profile{ID: "1", Username: "wren", Name: "Wren Tester", Email: "wren@example.com", AvatarURL: "https://x.example/a.png"}

// generation is one of the plugin's, for tests.
type generation struct {
	plugin.Environment
	logs *observer.ObservedLogs
}

// newGeneration returns an environment with this memo, which ends with the test at the latest.
func newGeneration(t *testing.T, kept *memo.Store) generation {
	core, logs := observer.New(zap.DebugLevel)
	g := generation{plugin.Environment{
		Logger: zap.New(core), Lifecycle: new(plugin.Lifecycle), Memo: kept,
		Listen: func(ctx context.Context, _, address string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", address)
		},
	}, logs}
	t.Cleanup(func() { g.end(t) })
	return g
}

func (g generation) end(t *testing.T) {
	t.Helper()
	if err := g.Lifecycle.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// options are those of a relay for the environments development and staging.
func options(target string) *Options {
	return &Options{
		Target: target, Address: "127.0.0.1:0", Secret: secret, MaxCalls: 100, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		Clients: map[string]string{"development": clientID, "staging": "backstage-staging"},
	}
}

// relay returns a relay with a listener of its own, and its log.
func relay(t *testing.T, o *Options) (*Relay, *observer.ObservedLogs) {
	t.Helper()
	g := newGeneration(t, memo.New(nil, nil))
	r, err := New(t.Context(), g.Environment, o, new(Listeners))
	if err != nil {
		t.Fatal(err)
	}
	return r, g.logs
}

// request sends one to a relay's handler.
func request(h http.Handler, method, target, body string, headers ...string) (status int, answer string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const formType = "application/x-www-form-urlencoded"

// exchange does what Node's Coder provider does with a handle.
func exchange(h http.Handler, client, handle string) (status int, token, answer string) {
	form := url.Values{"grant_type": {"refresh_token"}, "scope": {""}, "client_id": {client}, "client_secret": {secret}, "refresh_token": {handle}}
	status, answer = request(h, "POST", tokenPath, form.Encode(), "Content-Type", formType)
	var got struct {
		AccessToken string `json:"access_token"`
	}
	_ = json.Unmarshal([]byte(answer), &got)
	return status, got.AccessToken, answer
}

// read reads the profile with an access token.
func read(h http.Handler, token string) (status int, answer string) {
	return request(h, "GET", profilePath, "", "Authorization", "Bearer "+token)
}

func (r *Relay) mustSeal(t *testing.T, env string) string {
	t.Helper()
	sealed, err := r.seal(handle, env, wren)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// node is a Backstage backend whose Coder provider uses a relay's handler, and whose catalog knows wren.
type node struct {
	*httptest.Server
	mu    sync.Mutex
	relay http.Handler
	asked []*http.Request
	fail  func(w http.ResponseWriter, r *http.Request) bool // true when it has answered
}

func newNode(t *testing.T) *node {
	n := &node{}
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.asked = append(n.asked, r.Clone(context.Background()))
	fail := n.fail
	n.mu.Unlock()
	if fail != nil && fail(w, r) {
		return
	}
	cookie, err := r.Cookie("coder-refresh-token")
	if err != nil || r.URL.Path != "/api/auth/coder/refresh" || r.Header.Get("X-Requested-With") != "XMLHttpRequest" {
		http.NotFound(w, r)
		return
	}
	_, token, _ := exchange(n.relay, map[string]string{"development": clientID, "staging": "backstage-staging"}[r.URL.Query().Get("env")], cookie.Value)
	_, body := read(n.relay, token)
	if !strings.Contains(body, `"username":"wren"`) {
		reply(401, unresolved)(w, r)
		return
	}
	w.Header().Set("Set-Cookie", "coder-refresh-token=of-node; Path=/")
	reply(200, `{"profile":{},"providerInfo":{"accessToken":"access-token-of-node"},"backstageIdentity":`+issued+`}`)(w, r)
}

// seen returns the requests so far.
func (n *node) seen() []*http.Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

// reply answers with JSON.
func reply(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// noSecrets fails the test if a log holds one of the texts.
func noSecrets(t *testing.T, logs *observer.ObservedLogs, secrets ...string) {
	t.Helper()
	var all bytes.Buffer
	for _, entry := range logs.All() {
		fmt.Fprintln(&all, entry.Message, entry.ContextMap())
	}
	for _, text := range append(secrets, secret) {
		if text != "" && strings.Contains(all.String(), text) {
			t.Errorf("the log holds %q:\n%s", text, &all)
		}
	}
}
