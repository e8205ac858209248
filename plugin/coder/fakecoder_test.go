package coder

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Secrets that the tests know and that no log line and no foreign body may hold. Tokens and codes of the fake
// all begin with these prefixes.
const (
	clientSecret  = "s3cret-of-the-client-0123456789"
	accessPrefix  = "at-secret-"
	refreshPrefix = "rt-secret-"
	codePrefix    = "code-secret-"
	upstreamProse = "prose-of-coder"
)

// fakeCoder plays Coder's OAuth2 endpoints. Behaviour is changed through the fields under mu.
type fakeCoder struct {
	*httptest.Server
	mu       sync.Mutex
	calls    []call
	codes    map[string]string // code -> challenge
	refresh  map[string]bool   // live refresh tokens
	n        int
	rotate   bool
	noRotate bool                                              // leaves the refresh token out of refreshes
	token    func(w http.ResponseWriter, r *http.Request) bool // true when it has answered
	me       func(w http.ResponseWriter, r *http.Request) bool
	revoke   func(w http.ResponseWriter, r *http.Request) bool
	metadata func(w http.ResponseWriter, r *http.Request)
}

type call struct {
	method, path string
	form         url.Values
	header       http.Header
}

func newFakeCoder(t testing.TB) *fakeCoder {
	f := &fakeCoder{codes: map[string]string{}, refresh: map[string]bool{}, rotate: true}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeCoder) set(change func(*fakeCoder)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// seen returns the calls so far, without those for metadata.
func (f *fakeCoder) seen(path string) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []call
	for _, c := range f.calls {
		if c.path == path {
			out = append(out, c)
		}
	}
	return out
}

// code issues a code as if the user had consented; challenge may be empty.
func (f *fakeCoder) code(challenge string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	code := fmt.Sprintf("%s%d", codePrefix, f.n)
	f.codes[code] = challenge
	return code
}

func (f *fakeCoder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	f.mu.Lock()
	f.calls = append(f.calls, call{r.Method, r.URL.Path, r.PostForm, r.Header.Clone()})
	token, me, revoke, metadata := f.token, f.me, f.revoke, f.metadata
	f.mu.Unlock()
	switch r.URL.Path {
	case "/oauth2/tokens":
		if token == nil || !token(w, r) {
			f.grant(w, r)
		}
	case "/api/v2/users/me":
		if me == nil || !me(w, r) {
			answer(w, 200, map[string]any{"id": "1", "username": "wren", "name": "Wren Tester", "email": "wren@example.com", "avatar_url": "https://x.example/a.png"})
		}
	case "/oauth2/revoke":
		if revoke == nil || !revoke(w, r) {
			w.WriteHeader(http.StatusOK)
		}
	case "/.well-known/oauth-authorization-server":
		if metadata == nil {
			http.NotFound(w, r)
			return
		}
		metadata(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeCoder) grant(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	refuse := func(code string) {
		answer(w, 400, map[string]any{"error": code, "error_description": upstreamProse})
	}
	for key := range r.PostForm {
		if !strings.Contains(" grant_type code redirect_uri client_id client_secret code_verifier refresh_token scope ", " "+key+" ") {
			refuse("invalid_request")
			return
		}
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if id != "backstage" && id != "backstage-staging" || secret != clientSecret {
		answer(w, 401, map[string]any{"error": "invalid_client", "error_description": upstreamProse})
		return
	}
	out := map[string]any{"token_type": "Bearer", "expires_in": 3600}
	f.n++
	fresh := fmt.Sprintf("%s%d", refreshPrefix, f.n)
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		challenge, ok := f.codes[r.PostForm.Get("code")]
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if !ok || challenge != "" && base64.RawURLEncoding.EncodeToString(sum[:]) != challenge {
			refuse("invalid_grant")
			return
		}
		delete(f.codes, r.PostForm.Get("code"))
		out["refresh_token"] = fresh
	case "refresh_token":
		old := r.PostForm.Get("refresh_token")
		if !f.refresh[old] {
			refuse("invalid_grant")
			return
		}
		if f.rotate {
			delete(f.refresh, old)
			out["refresh_token"] = fresh
		} else if !f.noRotate {
			out["refresh_token"] = old
		}
	default:
		refuse("unsupported_grant_type")
		return
	}
	if token, ok := out["refresh_token"].(string); ok {
		f.refresh[token] = true
	}
	out["access_token"] = fmt.Sprintf("%s%d", accessPrefix, f.n)
	answer(w, 200, out)
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// The ways in which Coder can fail, each as a hook of fakeCoder.

func failing(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

func htmlPage(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<h1>" + upstreamProse + "</h1>"))
	return true
}

func hangUp(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

func huge(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"access_token":"` + accessPrefix + `huge","padding":"`))
	filler := []byte(strings.Repeat("x", 1<<20))
	for range 50 {
		if _, err := w.Write(filler); err != nil {
			return true
		}
	}
	_, _ = w.Write([]byte(`"}`))
	return true
}

// neverEnds sends the beginning of an answer and no end, until the caller gives up.
func neverEnds(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"access_token":"` + accessPrefix + `slow",`))
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
	return true
}

func silent(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}
