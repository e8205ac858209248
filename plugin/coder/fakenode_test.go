package coder

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// relaySecret is the secret of the Node backend's Coder provider.
const relaySecret = "relay-s3cret-0123456789-0123456789"

// fakeNode plays a Backstage backend whose Coder provider has the plugin's internal listener as its deployment. Its catalog
// knows wren.
type fakeNode struct {
	*httptest.Server
	listener string // host:port of the plugin's internal listener
	mu       sync.Mutex
	issued   int
	handles  []string
	fail     func(w http.ResponseWriter, r *http.Request) bool // true when it has answered
}

func newFakeNode(t testing.TB) *fakeNode {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &fakeNode{listener: socket.Addr().String()}
	_ = socket.Close()
	n.Server = httptest.NewServer(n)
	t.Cleanup(n.Close)
	return n
}

// set changes how the backend answers.
func (n *fakeNode) set(fail func(http.ResponseWriter, *http.Request) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = fail
}

// seen returns the handles so far.
func (n *fakeNode) seen() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.handles
}

func (n *fakeNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cookie, _ := r.Cookie(refreshCookie)
	n.mu.Lock()
	n.handles = append(n.handles, cookie.Value)
	fail := n.fail
	n.mu.Unlock()
	if fail != nil && fail(w, r) {
		return
	}
	_, token := n.exchange(r.Context(), "backstage", relaySecret, cookie.Value)
	var user struct{ Username string }
	request, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+n.listener+"/api/v2/users/me", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+token)
	_ = n.do(request, &user)
	if user.Username != "wren" {
		answer(w, 401, map[string]any{"error": map[string]any{"name": "AuthenticationError", "message": "Refresh failed; caused by Error: " + unresolved, "cause": map[string]string{"name": "Error", "message": unresolved}}})
		return
	}
	n.mu.Lock()
	n.issued++
	issued := n.issued
	n.mu.Unlock()
	w.Header().Set("Set-Cookie", refreshCookie+"=cookie-of-node; Path=/")
	answer(w, 200, map[string]any{
		"profile": map[string]string{}, "providerInfo": map[string]string{"accessToken": "access-token-of-node"},
		"backstageIdentity": map[string]any{"token": fmt.Sprint("token-of-node-", issued), "expiresInSeconds": 3600 - issued, "identity": map[string]string{"userEntityRef": "user:default/wren"}},
	})
}

// unresolved is what Backstage's resolvers say if the catalog does not know the user.
const unresolved = "Failed to sign-in, unable to resolve user identity."

// exchange asks the internal listener for an access token.
func (n *fakeNode) exchange(ctx context.Context, id, secret, handle string) (status int, token string) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {id}, "client_secret": {secret}, "refresh_token": {handle}}
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.listener+"/oauth2/tokens", strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var got struct {
		AccessToken string `json:"access_token"`
	}
	return n.do(request, &got), got.AccessToken
}

// do returns the status of an answer, 0 if there is none.
func (n *fakeNode) do(request *http.Request, into any) int {
	request.Close = true
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = got.Body.Close() }()
	_ = json.NewDecoder(got.Body).Decode(into)
	return got.StatusCode
}

// relayed adds a signIn in development, and the backend that issues the identities, to a configuration.
func (n *fakeNode) relayed(yaml string) string {
	yaml = strings.Replace(yaml, "development: {", "development: {signIn: {resolvers: [{resolver: usernameMatchingUserEntityName}]}, ", 1)
	return strings.Replace(yaml, "understudy: {", fmt.Sprintf("understudy: {identity: {target: %q, listen: %q, clientSecret: %q}, ", n.URL, n.listener, relaySecret), 1)
}
