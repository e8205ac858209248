package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/pkg/memo"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // the pair of RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

var form = []string{"Content-Type", "application/x-www-form-urlencoded"}

// clock is a settable time.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// with returns base with the given name and value pairs set; an empty value deletes.
func with(base url.Values, pairs ...string) url.Values {
	v := maps.Clone(base)
	for i := 0; i < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// ask is the query of a good authorization request, changed as with does.
func ask(pairs ...string) url.Values {
	return with(url.Values{
		"client_id": {"backstage"}, "response_type": {"code"}, "redirect_uri": {callback}, "state": {"a b&c"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}, pairs...)
}

func tokenForm(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback},
		"client_id": {"backstage"}, "client_secret": {testSecret}, "code_verifier": {verifier},
	}
}

func refreshForm(token string) url.Values {
	return url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {""},
		"client_id": {"backstage"}, "client_secret": {testSecret},
	}
}

// post sends f to the token endpoint.
func post(t *testing.T, s *Sandbox, f url.Values) answer {
	t.Helper()
	return send(t, "POST", s.CoderURL()+"/oauth2/tokens", f.Encode(), form...)
}

// allow presses Allow and returns the code.
func allow(t *testing.T, s *Sandbox, who string, query url.Values) string {
	t.Helper()
	got := send(t, "POST", s.CoderURL()+"/oauth2/authorize?"+query.Encode(), "user="+who, form...)
	location, err := url.Parse(got.header.Get("Location"))
	if err != nil || got.status != http.StatusFound || location.Query().Get("code") == "" {
		t.Fatalf("allow: %d %s %s", got.status, got.header.Get("Location"), got.body)
	}
	return location.Query().Get("code")
}

type tokens struct {
	Access  string    `json:"access_token"`
	Type    string    `json:"token_type"`
	Refresh string    `json:"refresh_token"`
	In      int64     `json:"expires_in"`
	Expiry  time.Time `json:"expiry"`
}

// exchange posts f to the token endpoint and expects tokens.
func exchange(t *testing.T, s *Sandbox, f url.Values) tokens {
	t.Helper()
	got := post(t, s, f)
	var out tokens
	if err := json.Unmarshal([]byte(got.body), &out); err != nil || got.status != http.StatusOK {
		t.Fatalf("exchange: %d %s", got.status, got.body)
	}
	if cc := got.header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("Cache-Control of the tokens: %q", cc)
	}
	return out
}

func me(t *testing.T, s *Sandbox, token string) int {
	t.Helper()
	return send(t, "GET", s.CoderURL()+"/api/v2/users/me", "", "Authorization", "Bearer "+token).status
}

func TestSignInRefreshRevoke(t *testing.T) {
	now := newClock()
	o := options()
	o.Now = now.now
	s := open(t, o)

	first := exchange(t, s, tokenForm(allow(t, s, "lin", ask())))
	want := tokens{first.Access, "Bearer", first.Refresh, 86400, now.now().Add(24 * time.Hour)}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	if parts := strings.Split(first.Access, "-"); len(parts) != 2 || len(parts[0]) != 10 || len(parts[1]) != 22 {
		t.Errorf("an access token has the form of a Coder API key, not %d characters", len(first.Access))
	}
	if !strings.HasPrefix(first.Refresh, "coder_") {
		t.Error("a refresh token begins with coder_")
	}
	got := send(t, "GET", s.CoderURL()+"/api/v2/users/me", "", "Authorization", "Basic "+first.Access)
	if got.status != 401 {
		t.Errorf("a token that is not a bearer: %d", got.status)
	}
	got = send(t, "GET", s.CoderURL()+"/api/v2/users/me", "", "Coder-Session-Token", first.Access)
	var u map[string]any
	if err := json.Unmarshal([]byte(got.body), &u); err != nil {
		t.Fatal(err)
	}
	if u["username"] != "lin" || u["email"] != "lin@example.com" ||
		u["avatar_url"] != s.CoderURL()+"/avatars/lin.svg" {
		t.Errorf("users/me: %s", got.body)
	}

	second := exchange(t, s, refreshForm(first.Refresh))
	if second.Access == first.Access || second.Refresh == first.Refresh {
		t.Error("a refresh gives both tokens anew")
	}
	if me(t, s, first.Access) != 401 || me(t, s, second.Access) != 200 {
		t.Error("a refresh ends the former access token")
	}
	if got := post(t, s, refreshForm(first.Refresh)); !got.is(400, `"invalid_grant"`) {
		t.Errorf("the old refresh token: %d %s", got.status, got.body)
	}

	other := exchange(t, s, tokenForm(allow(t, s, "sam", ask())))
	third := exchange(t, s, tokenForm(allow(t, s, "lin", ask())))
	if me(t, s, second.Access) != 401 || me(t, s, third.Access) != 200 || me(t, s, other.Access) != 200 {
		t.Error("a new exchange ends the user's former token, and no other user's")
	}

	now.add(24*time.Hour + time.Second)
	got = send(t, "GET", s.CoderURL()+"/api/v2/users/me", "", "Authorization", "Bearer "+third.Access)
	if got.status != 401 || !strings.Contains(got.body, "API key expired at") ||
		!strings.Contains(got.header.Get("WWW-Authenticate"), "has expired") {
		t.Errorf("expired: %d %s", got.status, got.body)
	}
	fourth := exchange(t, s, refreshForm(third.Refresh))
	now.add(30*24*time.Hour + time.Second)
	if got := post(t, s, refreshForm(fourth.Refresh)); got.status != 400 {
		t.Errorf("an expired refresh token: %d", got.status)
	}
}

func TestRevocation(t *testing.T) {
	s := open(t, options())
	signIn := func() tokens { return exchange(t, s, tokenForm(allow(t, s, "dana", ask()))) }
	revoke := func(token string) answer {
		f := url.Values{"token": {token}, "client_id": {"backstage"}, "client_secret": {testSecret}}
		return send(t, "POST", s.CoderURL()+"/oauth2/revoke", f.Encode(), form...)
	}
	for _, pick := range []func(tokens) string{
		func(t tokens) string { return t.Access }, func(t tokens) string { return t.Refresh },
	} {
		signed := signIn()
		if got := revoke(pick(signed)); got.status != 200 || got.body != "" {
			t.Errorf("revoke: %d %q", got.status, got.body)
		}
		if me(t, s, signed.Access) != 401 {
			t.Error("the session outlived its revocation")
		}
	}
	signed := signIn()
	for name, test := range map[string]struct {
		form   url.Values
		status int
		text   string
	}{
		"unknown token": {
			url.Values{"token": {"coder_x_y"}, "client_id": {"backstage"}, "client_secret": {testSecret}}, 200, "",
		},
		"no token": {
			url.Values{"client_id": {"backstage"}, "client_secret": {testSecret}}, 400, "missing token parameter",
		},
		"no client": {url.Values{"token": {signed.Access}}, 400, "Missing client_id parameter"},
		"wrong secret": {
			url.Values{"token": {signed.Access}, "client_id": {"backstage"}, "client_secret": {"x"}}, 401, "invalid_client",
		},
		"another client": {
			url.Values{"token": {signed.Access}, "client_id": {"x"}, "client_secret": {testSecret}}, 401, "invalid_client",
		},
	} {
		got := send(t, "POST", s.CoderURL()+"/oauth2/revoke", test.form.Encode(), form...)
		if !got.is(test.status, test.text) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if me(t, s, signed.Access) != 200 {
		t.Error("a refused revocation ended the session")
	}
}

func TestLifetimeIsConfigurable(t *testing.T) {
	now := newClock()
	o := options()
	o.Now, o.AccessTokenTTL = now.now, time.Minute
	s := open(t, o)
	got := exchange(t, s, tokenForm(allow(t, s, "dana", ask())))
	if got.In != 60 {
		t.Errorf("expires_in %d", got.In)
	}
	now.add(time.Minute + time.Second)
	if status := me(t, s, got.Access); status != 401 {
		t.Errorf("a token after its minute: %d", status)
	}
}

func TestMiddlewareWrapsTheStandIn(t *testing.T) {
	o := options()
	o.Middleware = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/oauth2/tokens" {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	s := open(t, o)
	if got := send(t, "POST", s.CoderURL()+"/oauth2/tokens", ""); got.status != http.StatusBadGateway {
		t.Errorf("tokens: %d", got.status)
	}
	if got := send(t, "GET", s.CoderURL()+"/", ""); got.status != 200 {
		t.Errorf("index: %d", got.status)
	}
}

// Neither the log nor an error names what a thief could use.
func TestLogHoldsNoSecret(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	o := options()
	o.Logger = zap.New(core)
	s := open(t, o)
	code := allow(t, s, "dana", ask())
	got := exchange(t, s, tokenForm(code))
	next := exchange(t, s, refreshForm(got.Refresh))
	post(t, s, tokenForm(code))
	post(t, s, refreshForm(got.Refresh))
	me(t, s, next.Access)
	if logs.Len() < 3 {
		t.Fatalf("%d entries", logs.Len())
	}
	for _, entry := range logs.All() {
		line := fmt.Sprint(entry.Message, entry.ContextMap())
		for _, secret := range []string{
			testSecret, code, verifier, got.Access, got.Refresh, next.Access, next.Refresh,
		} {
			if strings.Contains(line, secret) {
				t.Errorf("a secret is in the log entry %q", entry.Message)
			}
		}
	}
}

// Two sandboxes whose values are kept elsewhere are one: a reload of the code ends no sign-in and no token.
func TestSignInsOutliveAReloadOfTheCode(t *testing.T) {
	var kept memo.Memory
	process := func() *Sandbox {
		o := options()
		o.Memo = memo.New(&kept, func(name string, err error) { t.Errorf("%s: %v", name, err) })
		return open(t, o)
	}
	before, after := process(), process()
	code := allow(t, before, "lin", ask())
	first := exchange(t, after, tokenForm(code))
	if got := post(t, before, tokenForm(code)); got.status != http.StatusBadRequest {
		t.Errorf("the code a second time: %d", got.status)
	}
	second := exchange(t, before, refreshForm(first.Refresh))
	if me(t, after, first.Access) != http.StatusUnauthorized || me(t, after, second.Access) != http.StatusOK {
		t.Error("the tokens before a reload are not those after it")
	}
}
