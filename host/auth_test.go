package host_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// guarded is a plugin with an open path, that says who calls it and where auth is.
func guarded() plugin.Plugin {
	return plugin.Plugin{ID: "guarded", Path: "/guarded", New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
		env.Auth.Allow("/open", backstageauth.Unauthenticated)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			base, err := env.Discovery.BaseURL(r.Context(), "auth")
			p := backstageauth.Caller(r.Context())
			_, _ = fmt.Fprintf(w, "%v %s%s %s %v", p.Kind, p.UserEntityRef, p.Subject, base, err)
		}), nil
	}}
}

// authBackend is an auth plugin with a key, that says what it is asked otherwise.
func authBackend(t *testing.T) (url, token string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/auth/.well-known/jwks.json") {
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256"}}})
			return
		}
		_, _ = io.WriteString(w, "node "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	options := (&jose.SignerOptions{}).WithType("vnd.backstage.user").WithHeader("kid", "k")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err = jwt.Signed(signer).Claims(jwt.Claims{Subject: "user:default/jane", IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Hour))}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, token
}

// with asks with a token.
func with(t *testing.T, url, token string) (status int, body string) {
	t.Helper()
	r, _ := http.NewRequest(http.MethodGet, url, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

func TestPluginsNeedCredentialsUnlessTheyOpenAPath(t *testing.T) {
	node, token := authBackend(t)
	h := plugintest.Open(t, "understudy: {fallback: {target: '"+node+"'}}", guarded())
	url := h.URL() + "/api/guarded/"
	want := `{"error":{"name":"AuthenticationError","message":"Missing credentials"},"request":{"method":"GET","url":"/x?a=b"},"response":{"statusCode":401}}`
	if status, body, header := get(t, url+"x?a=b"); status != http.StatusUnauthorized || body != want || header.Get("X-Frame-Options") == "" {
		t.Errorf("nobody: %d %s %v", status, body, header)
	}
	if status, body, _ := get(t, url+"open"); status != http.StatusOK || !strings.HasPrefix(body, "none ") {
		t.Errorf("nobody, on an open path: %d %s", status, body)
	}
	if status, body := with(t, url, token); status != http.StatusOK || body != "user user:default/jane "+node+"/api/auth <nil>" {
		t.Errorf("a user: %d %s", status, body)
	}
	if status, body := with(t, url, token[:len(token)-4]+"AAAA"); status != http.StatusUnauthorized || !strings.Contains(body, "Failed user token verification") {
		t.Errorf("a tampered token: %d %s", status, body)
	}
	for _, path := range []string{"/API//guarded/x", "/api/./guarded/x", "/api/%67uarded/x", "//api/guarded/x", "/api/guarded/open/../x", "/api/guarded//open"} {
		if status, body, _ := get(t, h.URL()+path); status != http.StatusUnauthorized && (status != http.StatusNotFound || body != "") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestRequestsForTheFallbackKeepTheirCredentials(t *testing.T) {
	node, _ := authBackend(t)
	h := plugintest.Open(t, "understudy: {fallback: {target: '"+node+"'}}\nbackend: {auth: {externalAccess: [{type: static, options: {token: a-static-token, subject: ci}}]}}", guarded())
	for _, token := range []string{"abc", "a-static-token"} {
		if status, body := with(t, h.URL()+"/api/catalog/entities", token); status != http.StatusOK || body != "node Bearer "+token {
			t.Errorf("%s: %d %s", token, status, body)
		}
	}
	if status, body, _ := get(t, h.URL()+"/api/catalog/entities"); status != http.StatusOK || body != "node " {
		t.Errorf("nobody: %d %s", status, body)
	}
}

func TestAuthAndDiscoveryFollowTheConfiguration(t *testing.T) {
	node, token := authBackend(t)
	h := plugintest.Open(t, "", guarded())
	url := h.URL() + "/api/guarded/"
	const static = "backend: {auth: {externalAccess: [{type: static, options: {token: a-static-token, subject: ci}}]}}"
	for _, step := range []struct {
		content      string
		token, want  string // the beginning of the answer
		log, logWant string
	}{
		{static, "a-static-token", "service ci " + h.URL()[:len("http://")] + "127.0.0.1:", "the changed config is in use", `inUse=["auth"]`},
		{"backend: {auth: {externalAccess: [{type: static, options: {token: short, subject: ci}}]}}", "a-static-token", "service ci ", "is not used: it has an error", "at least 8 characters"},
		{"{}", "a-static-token", `{"error":{"name":"AuthenticationError","message":"Illegal token"}`, "the changed config is in use", `inUse=["auth"]`},
		{"{}", token, `{"error":{"name":"AuthenticationError","message":"Failed user token verification"}`, "", ""}, // nobody issues tokens
		{"discovery: {endpoints: [{target: '" + node + "/there/{{pluginId}}', plugins: [auth]}]}", token, "user user:default/jane " + node + "/there/auth <nil>", "the changed config is in use", `inUse=["discovery"]`},
		{"discovery: {endpoints: [{target: 'nonsense', plugins: [auth]}]}", token, "user ", "is not used: it has an error", "discovery.endpoints[0].target"},
		{"understudy: {fallback: {target: '" + node + "'}}", token, "user user:default/jane " + node + "/api/auth <nil>", "the changed config is in use", `"discovery"`},
		{"backend: {auth: {dangerouslyDisableDefaultAuthPolicy: true}}", "abc", "none ", "the changed config is in use", `"auth"`},
	} {
		if step.log != "" {
			h.Write(step.content)
			if line := h.Log.Wait(t, step.log); !strings.Contains(line, step.logWant) {
				t.Errorf("%s: the log says %s", step.content, line)
			}
		}
		if _, body := with(t, url, step.token); !strings.HasPrefix(body, step.want) {
			t.Errorf("%s: %s, want %s", step.content, body, step.want)
		}
	}
	if log := h.Log.String(); strings.Contains(log, "a-static-token") || strings.Contains(log, token) {
		t.Error("the log has a token")
	}
}
