package backstageauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/discovery"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

// object is a JSON object.
type object = map[string]any

// with returns o with more members. Those that are nil are left out.
func with(o, more object) object {
	all := object{}
	maps.Copy(all, o)
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

// key is a key pair of ES256.
type key struct {
	id      string
	private *ecdsa.PrivateKey
}

func newKey(t *testing.T, id string) key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key{id, private}
}

func (k key) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: &k.private.PublicKey, KeyID: k.id, Algorithm: "ES256", Use: "sig"}
}

// sign signs what npm's jose would sign.
func (k key) sign(header, claims object) string {
	input := part(with(object{"alg": "ES256", "kid": k.id}, header)) + "." + part(claims)
	return input + "." + k.signature(input)
}

func (k key) signature(input string) string {
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// user signs a token as the auth backend does: with the signature of its limited token.
func (k key) user(more object) string {
	claims := with(object{"iss": "http://node/api/auth", "sub": "user:default/jane", "aud": "backstage", "ent": []string{"user:default/jane"}}, validity())
	claims["uip"] = strings.Split(k.limited(nil), ".")[2]
	return k.sign(object{"typ": "vnd.backstage.user"}, with(claims, more))
}

// limited signs a user's limited token.
func (k key) limited(more object) string {
	header := struct {
		Typ string `json:"typ"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}{"vnd.backstage.limited-user", "ES256", k.id}
	times := validity()
	var payload any = struct {
		Sub string `json:"sub"`
		Iat any    `json:"iat"`
		Exp any    `json:"exp"`
	}{"user:default/jane", times["iat"], times["exp"]}
	if more != nil {
		payload = with(with(object{"sub": "user:default/jane"}, times), more)
	}
	input := part(header) + "." + part(payload)
	return input + "." + k.signature(input)
}

// plugin signs a token of the plugin catalog for the plugin todo.
func (k key) plugin(more object) string {
	return k.sign(object{"typ": "vnd.backstage.plugin"}, with(with(object{"sub": "catalog", "aud": "todo"}, validity()), more))
}

// born is one time for all tokens of a run, so that a limited token has the times of its user token.
var born = time.Now().Unix()

func validity() object { return object{"iat": born, "exp": born + 3600} }

func part(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func hs256(secret []byte, header, claims object) string {
	input := part(with(object{"alg": "HS256"}, header)) + "." + part(claims)
	mac := hmac.New(crypto.SHA256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// node stands in for a Node backend: it shows the keys of its plugins.
type node struct {
	*httptest.Server
	mu       sync.Mutex
	keys     map[string]string // key sets by path
	requests []string
}

// newNode returns a backend whose auth plugin and catalog have a key.
func newNode(t *testing.T) (n *node, auth, catalog key) {
	t.Helper()
	n, auth, catalog = &node{keys: map[string]string{}}, newKey(t, "of auth"), newKey(t, "of catalog")
	n.show("/api/auth/.well-known/jwks.json", auth)
	n.show("/api/catalog/.backstage/auth/v1/jwks.json", catalog)
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.requests = append(n.requests, r.Method+" "+r.RequestURI)
		set, ok := n.keys[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, set)
	}))
	t.Cleanup(n.Close)
	return n, auth, catalog
}

func (n *node) show(path string, keys ...key) {
	set := jose.JSONWebKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.public())
	}
	data, _ := json.Marshal(set)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keys[path] = string(data)
}

// asked returns the requests so far.
func (n *node) asked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.requests...)
}

func config(t *testing.T, content string) *appconfig.Config {
	t.Helper()
	data, err := yaml.Parse([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	o, _ := data.(*value.Object)
	return appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: o})
}

// gate is the plugin todo behind a barrier. It answers who called.
type gate struct {
	http.Handler
	t    *testing.T
	auth *backstageauth.Authenticator
	log  *observer.ObservedLogs
}

// newGate returns a gate with the settings in content, below backend.auth, at a Node backend.
func newGate(t *testing.T, url, content string, allow ...func(*backstageauth.Barrier)) *gate {
	t.Helper()
	d := new(discovery.Discovery)
	d.Use(discovery.Endpoints{}, discovery.Defaults{Internal: url, External: "http://localhost:7007", Paths: map[string]string{"todo": "/todo"}})
	core, logs := observer.New(zap.DebugLevel)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	g := &gate{t: t, log: logs, auth: backstageauth.New(ctx, zap.New(core), d)}
	g.use(content)
	b := new(backstageauth.Barrier)
	for _, f := range allow {
		f(b)
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	g.Handler = b.Handler(g.auth, "todo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		late, err := b.Credentials(r)
		_, _ = fmt.Fprintf(w, "%s; %s, %v", describe(backstageauth.Caller(r.Context())), describe(late), err)
	}))
	return g
}

func (g *gate) use(content string) {
	g.t.Helper()
	settings, err := backstageauth.Read(config(g.t, "backend: {auth: {"+content+"}}"))
	if err != nil {
		g.t.Fatal(err)
	}
	g.auth.Use(settings)
}

// describe writes a principal as a text.
func describe(p backstageauth.Principal) string {
	text := p.Kind.String() + " " + p.UserEntityRef + p.Subject
	if p.Actor != "" {
		text += " by " + p.Actor
	}
	if p.Restrictions != nil {
		text += fmt.Sprint(" ", *p.Restrictions)
	}
	return strings.TrimSpace(text)
}

// answer is an answer of a gate: who called, or Backstage's error.
type answer struct {
	status int
	text   string // the caller in the request's context, or the error's name and message
	all    string
	header http.Header
}

// get asks for a path with headers in the form "Name: value".
func (g *gate) get(path string, headers ...string) answer {
	return g.send(http.MethodGet, path, headers...)
}

func (g *gate) send(method, path string, headers ...string) answer {
	r := httptest.NewRequest(method, path, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	a := answer{w.Code, "", w.Body.String(), w.Header()}
	var body struct {
		Error struct{ Name, Message string }
	}
	if json.Unmarshal(w.Body.Bytes(), &body) == nil && body.Error.Name != "" {
		a.text = body.Error.Name + ": " + body.Error.Message
	} else {
		a.text, _, _ = strings.Cut(a.all, ";")
	}
	return a
}

// as asks for a path with a token.
func (g *gate) as(token string) answer { return g.get("/", "Authorization: Bearer "+token) }

// expect checks an answer. A want with a colon is an error.
func (g *gate) expect(name string, got answer, status int, want string) {
	g.t.Helper()
	if got.status != status || got.text != want {
		g.t.Errorf("%s: %d %s, want %d %s; the log: %v", name, got.status, got.all, status, want, g.log.All())
	}
}
