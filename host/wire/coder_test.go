package wire

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Values of the fake Coder that could break a script or a page.
const (
	nastyToken  = `a'b"c</script><img>`
	clientKey   = "wire-client-secret-7f3a"
	profileFull = `{"id":"0d9c2a1e-1111-4222-8333-444455556666","username":"wren","name":"Wren Tester",` +
		`"email":"wren@example.com","avatar_url":"https://avatars.example.com/wren.png","status":"active","login_type":"password",` +
		`"roles":[{"name":"owner"}],"organization_ids":["aaaaaaaa-0000-4000-8000-000000000000"]}`
	profileMinimal = `{"id":"0d9c2a1e-1111-4222-8333-444455556666","username":"wren"}`
)

// fakeCoder is a scriptable Coder deployment. It has the authorize page, whose user agrees at once, the token
// endpoint, users/me, revocation and RFC 8414 metadata, and it records the requests.
type fakeCoder struct {
	address string
	server  *http.Server

	mu     sync.Mutex
	does   behaviour
	modes  map[string]string // by place: tokens, users-me, revoke, workspaces
	log    []record
	issued map[string]*code
	given  int // number of tokens given out, which is part of their names
}

// behaviour is what a scenario can tell the fake Coder to do.
type behaviour struct {
	Mode      string   `json:"mode"`
	On        []string `json:"on"`   // where the mode applies; by default its usual place
	Keep      bool     `json:"keep"` // keeps the modes of other places
	MS        int      `json:"ms"`   // delay of the mode slow
	Size      int      `json:"size"` // length of big refresh tokens
	Authorize string   `json:"authorize"`
}

// places holds all modes, and where each applies if the scenario does not say.
var places = map[string]string{
	"ok": "tokens", "slow": "tokens", "400-invalid_grant": "tokens", "401-invalid_client": "tokens", "500": "tokens",
	"html-200": "tokens", "json-without-token": "tokens", "hang-up": "tokens", "huge-body": "tokens",
	"token-with-quotes": "tokens", "rotate-refresh": "tokens", "no-refresh-token": "tokens",
	"big-refresh-token": "tokens", "pkce-required": "tokens", "down": "", "token-not-a-string": "tokens",
	"error-with-html": "tokens", "token-script": "tokens", "form-encoded-token": "tokens",
	"users-me-401": "users-me", "profile-minimal": "users-me", "profile-not-json": "users-me",
}

// code is an issued authorization code.
type code struct {
	challenge, method string
	used              bool
}

// record is a received request.
type record struct {
	method, path string
	host         string
	header       http.Header
	body         string
	form         url.Values // nil if the body is not a form
	pkce         string     // the result of checking the verifier of a code grant
}

func startCoder(t *testing.T, address string) *fakeCoder {
	t.Helper()
	c := &fakeCoder{address: address}
	c.reset()
	if err := c.up(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.down()
	})
	return c
}

func (c *fakeCoder) origin() string { return "http://" + c.address }

// up starts the server. It always has the address of the first start.
func (c *fakeCoder) up() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", c.address)
	if err != nil {
		return err
	}
	c.address = listener.Addr().String()
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	go func(s *http.Server) { _ = s.Serve(listener) }(c.server)
	return nil
}

// down closes all connections and refuses new ones.
func (c *fakeCoder) down() {
	if c.server != nil {
		_ = c.server.Close()
	}
	c.server = nil
}

func (c *fakeCoder) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.does, c.modes, c.log, c.issued, c.given = behaviour{}, map[string]string{}, nil, map[string]*code{}, 0
}

func (c *fakeCoder) behave(b behaviour) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.Authorize != "" {
		c.does.Authorize = b.Authorize
	}
	if b.Mode == "" {
		return nil
	}
	place, known := places[b.Mode]
	if !known {
		return fmt.Errorf("the fake coder has no mode %q", b.Mode)
	}
	if !b.Keep {
		c.modes = map[string]string{}
	}
	if b.On == nil {
		b.On = []string{place}
	}
	for _, place := range b.On {
		c.modes[place] = b.Mode
	}
	c.does.MS, c.does.Size = b.MS, b.Size
	if b.Mode == "down" {
		c.down()
	}
	return nil
}

// takeLog returns the requests since the last call. It starts the server again if it is down.
func (c *fakeCoder) takeLog() ([]record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	log := c.log
	c.log = nil
	if c.server == nil {
		c.modes = map[string]string{}
		return log, c.up()
	}
	return log, nil
}

func (c *fakeCoder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	rec := record{method: r.Method, path: r.RequestURI, host: r.Host, header: r.Header, body: string(body)}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		rec.form, _ = url.ParseQuery(rec.body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /.well-known/oauth-authorization-server":
		c.metadata(w) // not recorded, since it is fetched in the background at any time
		return
	case "GET /oauth2/authorize":
		c.log = append(c.log, rec)
		c.authorize(w, r)
	case "POST /oauth2/tokens":
		if rec.form.Get("grant_type") == "authorization_code" {
			rec.pkce = c.pkce(rec.form)
		}
		c.log = append(c.log, rec)
		if !c.trouble(w, "tokens") {
			c.tokens(w, rec)
		}
	case "GET /api/v2/users/me":
		c.log = append(c.log, rec)
		if !c.trouble(w, "users-me") {
			c.me(w, r)
		}
	case "POST /oauth2/revoke":
		c.log = append(c.log, rec)
		if !c.trouble(w, "revoke") {
			w.WriteHeader(http.StatusOK)
		}
	default:
		c.log = append(c.log, rec)
		if !c.trouble(w, "workspaces") {
			api(w, r, rec)
		}
	}
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// trouble handles the modes that do not depend on the endpoint, and reports whether it has answered. It is called
// with the lock held, and releases it during a slow answer.
func (c *fakeCoder) trouble(w http.ResponseWriter, place string) bool {
	mode := c.modes[place]
	if mode == "" {
		mode = c.modes["*"]
	}
	switch mode {
	case "slow":
		c.mu.Unlock()
		time.Sleep(time.Duration(c.does.MS) * time.Millisecond)
		c.mu.Lock()
		return false
	case "hang-up":
		panic(http.ErrAbortHandler)
	case "500":
		reply(w, 500, `{"message":"An internal server error occurred.","detail":"fake-coder internal detail 5150"}`)
	case "html-200":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Sign in</title><p>This is a sign-in page, not an API.</p>")
	case "error-with-html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<h1>upstream <script>alert(1)</script> unavailable</h1>")
	default:
		return false
	}
	return true
}

func (c *fakeCoder) me(w http.ResponseWriter, r *http.Request) {
	switch mode := c.modes["users-me"]; {
	case mode == "users-me-401" || len(r.Header.Get("Authorization")) <= len("Bearer "):
		reply(w, 401, `{"message":"You are signed out or your session has expired.",`+
			`"detail":"fake-coder session detail 6060"}`)
	case mode == "profile-not-json":
		reply(w, 200, `{"id":`)
	case mode == "profile-minimal":
		reply(w, 200, profileMinimal)
	default:
		reply(w, 200, profileFull)
	}
}

func (c *fakeCoder) authorize(w http.ResponseWriter, r *http.Request) {
	ask := r.URL.Query()
	to, err := url.Parse(ask.Get("redirect_uri"))
	if err != nil {
		reply(w, 400, `{"message":"bad redirect_uri"}`)
		return
	}
	query := to.Query()
	if c.does.Authorize == "deny" {
		query.Set("error", "access_denied")
		query.Set("error_description", "The user said no")
	} else {
		name := fmt.Sprintf("wire-code-%d", len(c.issued)+1)
		c.issued[name] = &code{challenge: ask.Get("code_challenge"), method: ask.Get("code_challenge_method")}
		query.Set("code", name)
	}
	if ask.Has("state") {
		query.Set("state", ask.Get("state"))
	}
	to.RawQuery = query.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

func (c *fakeCoder) metadata(w http.ResponseWriter) {
	base := c.origin()
	reply(w, 200, fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"revocation_endpoint":%q,`+
		`"code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["client_secret_post"]}`,
		base, base+"/oauth2/authorize", base+"/oauth2/tokens", base+"/oauth2/revoke"))
}

// upstream returns the transcript of a request to Coder. Of a request that is not passed on from a client, it leaves out the
// headers that belong to the HTTP client.
func (n *normalizer) upstream(rec record) map[string]any {
	headers := map[string]any{}
	for name, values := range rec.header {
		own := strings.HasPrefix(rec.path, "/oauth2/") || strings.HasPrefix(rec.path, "/api/v2/users/me")
		if own && slices.Contains([]string{"Content-Type", "Accept", "Authorization", "Cookie"}, name) || !own && name != "Connection" {
			headers[strings.ToLower(name)] = n.text(strings.Join(values, ", "))
		}
		if !own {
			headers["host"] = n.text(rec.host)
		}
	}
	out := map[string]any{"request": rec.method + " " + n.text(rec.path), "headers": headers}
	if rec.form == nil {
		if rec.body != "" {
			out["body"] = n.text(shortText(rec.body))
		}
		return out
	}
	form := map[string]any{}
	for key, values := range rec.form {
		texts := slices.Clone(values)
		for i, value := range texts {
			texts[i] = n.text(value)
			if key == "code_verifier" {
				texts[i] = fmt.Sprintf("<code_verifier: %d characters>", len(value))
			}
		}
		form[key] = single(texts)
	}
	out["form"] = form
	if rec.pkce != "" {
		out["pkce"] = rec.pkce
	}
	return out
}
