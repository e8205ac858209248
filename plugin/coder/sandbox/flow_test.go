package sandbox

import (
	"encoding/json"
	"fmt"
	"html"
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

func authorizeQuery() url.Values {
	return url.Values{
		"client_id": {"backstage"}, "response_type": {"code"}, "redirect_uri": {callback}, "state": {"a b&c"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
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
	got := send(t, "POST", s.CoderURL()+"/oauth2/tokens", f.Encode(), form...)
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

	first := exchange(t, s, tokenForm(allow(t, s, "lin", authorizeQuery())))
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
	if got := send(t, "GET", s.CoderURL()+"/api/v2/users/me", "", "Authorization", "Basic "+first.Access); got.status != 401 {
		t.Errorf("a token that is not a bearer: %d", got.status)
	}
	got := send(t, "GET", s.CoderURL()+"/api/v2/users/me", "", "Coder-Session-Token", first.Access)
	var u map[string]any
	if err := json.Unmarshal([]byte(got.body), &u); err != nil {
		t.Fatal(err)
	}
	if u["username"] != "lin" || u["email"] != "lin@example.com" || u["avatar_url"] != s.CoderURL()+"/avatars/lin.svg" {
		t.Errorf("users/me: %s", got.body)
	}

	second := exchange(t, s, refreshForm(first.Refresh))
	if second.Access == first.Access || second.Refresh == first.Refresh {
		t.Error("a refresh gives both tokens anew")
	}
	if me(t, s, first.Access) != 401 || me(t, s, second.Access) != 200 {
		t.Error("a refresh ends the former access token")
	}
	if got := send(t, "POST", s.CoderURL()+"/oauth2/tokens", refreshForm(first.Refresh).Encode(), form...); got.status != 400 ||
		!strings.Contains(got.body, `"invalid_grant"`) {
		t.Errorf("the old refresh token: %d %s", got.status, got.body)
	}

	other := exchange(t, s, tokenForm(allow(t, s, "sam", authorizeQuery())))
	third := exchange(t, s, tokenForm(allow(t, s, "lin", authorizeQuery())))
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
	if got := send(t, "POST", s.CoderURL()+"/oauth2/tokens", refreshForm(fourth.Refresh).Encode(), form...); got.status != 400 {
		t.Errorf("an expired refresh token: %d", got.status)
	}
}

func TestRevocation(t *testing.T) {
	s := open(t, options())
	signIn := func() tokens { return exchange(t, s, tokenForm(allow(t, s, "dana", authorizeQuery()))) }
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
		"unknown token":  {url.Values{"token": {"coder_x_y"}, "client_id": {"backstage"}, "client_secret": {testSecret}}, 200, ""},
		"no token":       {url.Values{"client_id": {"backstage"}, "client_secret": {testSecret}}, 400, "missing token parameter"},
		"no client":      {url.Values{"token": {signed.Access}}, 400, "Missing client_id parameter"},
		"wrong secret":   {url.Values{"token": {signed.Access}, "client_id": {"backstage"}, "client_secret": {"x"}}, 401, "invalid_client"},
		"another client": {url.Values{"token": {signed.Access}, "client_id": {"x"}, "client_secret": {testSecret}}, 401, "invalid_client"},
	} {
		got := send(t, "POST", s.CoderURL()+"/oauth2/revoke", test.form.Encode(), form...)
		if got.status != test.status || !strings.Contains(got.body, test.text) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if me(t, s, signed.Access) != 200 {
		t.Error("a refused revocation ended the session")
	}

	withdraw := func(query string) int {
		return send(t, "DELETE", s.CoderURL()+"/oauth2/tokens"+query, "", "Coder-Session-Token", signed.Access).status
	}
	if got := []int{withdraw(""), withdraw("?client_id=x"), withdraw("?client_id=backstage"), withdraw("?client_id=backstage")}; !cmp.Equal(got, []int{400, 401, 204, 401}) {
		t.Errorf("DELETE /oauth2/tokens: %v", got)
	}
}

func TestAuthorizeRules(t *testing.T) {
	s := open(t, options())
	o := options()
	o.PKCEOptional = true
	lenient := open(t, o)
	for name, test := range map[string]struct {
		query   url.Values
		lenient bool
		status  int
		page    string // in the page, or in the error of the redirect
	}{
		"consent":                    {with(authorizeQuery()), false, 200, "Authorize Backstage"},
		"no method":                  {with(authorizeQuery(), "code_challenge_method", ""), false, 200, "Allow"},
		"no redirect URI":            {with(authorizeQuery(), "redirect_uri", ""), false, 200, "Allow"},
		"another port on loopback":   {with(authorizeQuery(), "redirect_uri", "http://localhost:9/api/auth/coder/handler/frame"), false, 200, "localhost:9"},
		"scopes":                     {with(authorizeQuery(), "scope", "workspace:read  coder:all"), false, 200, "workspace:read"},
		"no client":                  {with(authorizeQuery(), "client_id", ""), false, 400, "Missing OAuth2 client ID."},
		"unknown client":             {with(authorizeQuery(), "client_id", "<b>"), false, 404, "&lt;b&gt;"},
		"no PKCE":                    {with(authorizeQuery(), "code_challenge", "", "code_challenge_method", ""), false, 400, "&#34;code_challenge&#34; is required and cannot be empty"},
		"no PKCE where optional":     {with(authorizeQuery(), "code_challenge", "", "code_challenge_method", ""), true, 200, "Allow"},
		"short challenge":            {with(authorizeQuery(), "code_challenge", "abc"), false, 400, "43 to 128 characters"},
		"short challenge, optional":  {with(authorizeQuery(), "code_challenge", "abc"), true, 400, "43 to 128 characters"},
		"unknown parameter":          {with(authorizeQuery(), "prompt", "none"), false, 400, "&#34;prompt&#34; is not a valid query param"},
		"no response type":           {with(authorizeQuery(), "response_type", ""), false, 400, "&#34;response_type&#34; is required"},
		"strange response type":      {with(authorizeQuery(), "response_type", "x"), false, 400, "&#34;x&#34; is not a valid value"},
		"foreign redirect URI":       {with(authorizeQuery(), "redirect_uri", "https://evil.example/"), false, 400, "must exactly match"},
		"longer redirect URI":        {with(authorizeQuery(), "redirect_uri", callback+"/x"), false, 400, "must exactly match"},
		"redirect URI with a query":  {with(authorizeQuery(), "redirect_uri", callback+"?a=b"), false, 400, "must exactly match"},
		"redirect URI in upper case": {with(authorizeQuery(), "redirect_uri", strings.ToUpper(callback)), false, 400, "must exactly match"},
		"another loopback name":      {with(authorizeQuery(), "redirect_uri", strings.Replace(callback, "localhost", "127.0.0.1", 1)), false, 400, "must exactly match"},
		"https on loopback":          {with(authorizeQuery(), "redirect_uri", strings.Replace(callback, "http:", "https:", 1)), false, 400, "must exactly match"},
		"userinfo in redirect URI":   {with(authorizeQuery(), "redirect_uri", strings.Replace(callback, "localhost", "x@localhost", 1)), false, 400, "must exactly match"},
		"broken redirect URI":        {with(authorizeQuery(), "redirect_uri", "http://%zz"), false, 400, "must exactly match"},
		"bad resource":               {with(authorizeQuery(), "resource", "/x"), false, 400, "absolute URI without fragment"},
		"implicit grant":             {with(authorizeQuery(), "response_type", "token"), false, 302, "unsupported_response_type"},
		"plain challenge":            {with(authorizeQuery(), "code_challenge_method", "plain"), false, 302, "invalid_request"},
		"unknown scope":              {with(authorizeQuery(), "scope", "openid"), false, 302, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			where := s
			if test.lenient {
				where = lenient
			}
			target := where.CoderURL() + "/oauth2/authorize?" + test.query.Encode()
			got := send(t, "GET", target, "")
			if got.status != test.status {
				t.Fatalf("GET: %d, want %d: %s", got.status, test.status, got.body)
			}
			post := send(t, "POST", target, "", form...)
			if test.status != 302 {
				if !strings.Contains(got.body, test.page) {
					t.Errorf("%q is not in the page: %s", test.page, got.body)
				}
				if want := map[int]int{200: 302}[test.status]; want != 0 && post.status != want {
					t.Errorf("POST: %d, want %d", post.status, want)
				} else if want == 0 && (post.status != test.status || post.header.Get("Location") != "") {
					t.Errorf("POST: %d to %q", post.status, post.header.Get("Location"))
				}
				return
			}
			for _, a := range []answer{got, post} {
				u, err := url.Parse(a.header.Get("Location"))
				if err != nil || a.status != 302 || !strings.HasPrefix(u.String(), callback+"?") {
					t.Fatalf("%d to %q", a.status, a.header.Get("Location"))
				}
				q := u.Query()
				if q.Get("error") != test.page || q.Get("state") != "a b&c" || q.Has("code") ||
					strings.ContainsAny(q.Get("error_description"), `"\`) {
					t.Errorf("redirected to %s", u)
				}
			}
		})
	}
}

func TestAllowRefusesOtherSites(t *testing.T) {
	s := open(t, options())
	target := s.CoderURL() + "/oauth2/authorize?" + authorizeQuery().Encode()
	for name, headers := range map[string][]string{
		"cross-site":         {"Sec-Fetch-Site", "cross-site"},
		"same-site":          {"Sec-Fetch-Site", "same-site"}, // the demo app: another port
		"an older browser's": {"Origin", "http://localhost:3000"},
	} {
		if got := send(t, "POST", target, "", append(headers, form...)...); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := send(t, "POST", target, "", append([]string{"Sec-Fetch-Site", "same-origin"}, form...)...); got.status != 302 {
		t.Errorf("same-origin: %d", got.status)
	}
	if got := send(t, "POST", target, "user=mallory", form...); got.status != 400 {
		t.Errorf("a user that is none: %d", got.status)
	}
}

func TestCancel(t *testing.T) {
	for name, test := range map[string]struct {
		without bool
		want    string
	}{
		"newer": {false, callback + "?error=access_denied&error_description=The+resource+owner+or+" +
			"authorization+server+denied+the+request&state=a+b%26c"},
		"older": {true, callback + "?error=access_denied"},
	} {
		o := options()
		o.CancelWithoutState = test.without
		s := open(t, o)
		page := send(t, "GET", s.CoderURL()+"/oauth2/authorize?"+authorizeQuery().Encode(), "").body
		page = html.UnescapeString(page)
		if want := `id="cancel" href="` + test.want + `"`; !strings.Contains(page, want) {
			t.Errorf("%s: %s is not in %s", name, want, page)
		}
	}
}

func TestTokenRules(t *testing.T) {
	now := newClock()
	o := options()
	o.Now = now.now
	s := open(t, o)
	endpoint := s.CoderURL() + "/oauth2/tokens"
	fresh := func() url.Values { return tokenForm(allow(t, s, "dana", authorizeQuery())) }
	basic := func(id, secret string) []string {
		r, _ := http.NewRequest("GET", "/", nil)
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
		return append([]string{"Authorization", r.Header.Get("Authorization")}, form...)
	}
	for name, test := range map[string]struct {
		form    url.Values
		query   string
		headers []string
		status  int
		want    string
	}{
		"post":                     {fresh(), "", form, 200, `"token_type":"Bearer"`},
		"basic":                    {with(fresh(), "client_id", "", "client_secret", ""), "", basic("backstage", testSecret), 200, `"refresh_token":"coder_`},
		"both, and equal":          {fresh(), "", basic("backstage", testSecret), 200, "access_token"},
		"both, and different":      {fresh(), "", basic("backstage", "other"), 400, `"error":"invalid_request","error_description":"Conflicting`},
		"wrong secret":             {with(fresh(), "client_secret", "x"), "", form, 401, `"error":"invalid_client","error_description":"The client credentials are invalid"`},
		"wrong basic secret":       {with(fresh(), "client_id", "", "client_secret", ""), "", basic("backstage", "x"), 401, "invalid_client"},
		"unknown client":           {with(fresh(), "client_id", "x"), "", form, 401, "invalid_client"},
		"no client":                {with(fresh(), "client_id", ""), "", form, 400, "Missing client_id parameter"},
		"no secret":                {with(fresh(), "client_secret", ""), "", form, 400, "Missing required parameter: client_secret"},
		"no code":                  {with(fresh(), "code", ""), "", form, 400, "Missing required parameter: code"},
		"no refresh token":         {with(refreshForm("x"), "refresh_token", ""), "", form, 400, "Missing required parameter: refresh_token"},
		"no grant type":            {with(fresh(), "grant_type", ""), "", form, 400, "unsupported_grant_type"},
		"password grant":           {with(fresh(), "grant_type", "password"), "", form, 400, "unsupported_grant_type"},
		"unknown field":            {with(fresh(), "access_type", "offline"), "", form, 400, `"error":"invalid_request"`},
		"secret in the query":      {fresh(), "?client_secret=" + testSecret, form, 400, "not in the URL"},
		"client ID in the query":   {with(fresh(), "client_id", ""), "?client_id=backstage", form, 200, "access_token"},
		"JSON":                     {fresh(), "", []string{"Content-Type", "application/json"}, 400, `"error":"invalid_request"`},
		"made-up code":             {with(fresh(), "code", "coder_a_b"), "", form, 400, `"error":"invalid_grant","error_description":"The authorization code is invalid or expired"`},
		"wrong verifier":           {with(fresh(), "code_verifier", strings.Repeat("x", 43)), "", form, 400, `"error":"invalid_grant","error_description":"The PKCE code verifier is invalid"`},
		"no verifier":              {with(fresh(), "code_verifier", ""), "", form, 400, "The PKCE code verifier is invalid"},
		"foreign redirect URI":     {with(fresh(), "redirect_uri", "https://evil.example/"), "", form, 400, `"error":"invalid_request"`},
		"other redirect URI":       {with(fresh(), "redirect_uri", "http://localhost:7007/api/auth/coder/oauth/callback"), "", form, 400, `"error":"invalid_grant"`},
		"redirect URI left out":    {with(fresh(), "redirect_uri", ""), "", form, 400, `"error":"invalid_grant"`},
		"resource out of nowhere":  {with(fresh(), "resource", "https://r.example"), "", form, 400, `"error":"invalid_target"`},
		"made-up refresh token":    {refreshForm("coder_a_b"), "", form, 400, `"error":"invalid_grant","error_description":"The refresh token is invalid or expired"`},
		"refresh without a secret": {with(refreshForm("coder_a_b"), "client_secret", ""), "", form, 400, "client_secret"},
		"body too large":           {url.Values{"code": {strings.Repeat("x", 70<<10)}}, "", form, 400, `"error":"invalid_request"`},
	} {
		if test.form.Get("grant_type") == "authorization_code" && strings.HasPrefix(test.form.Get("code"), "coder_") &&
			name != "made-up code" {
			test.form.Set("code", allow(t, s, "dana", authorizeQuery())) // the newest code alone is good
		}
		got := send(t, "POST", endpoint+test.query, test.form.Encode(), test.headers...)
		if got.status != test.status || !strings.Contains(got.body, test.want) {
			t.Errorf("%s: %d %s, want %d %s", name, got.status, got.body, test.status, test.want)
		}
		if wa := got.header.Get("WWW-Authenticate"); (wa == `Basic realm="coder"`) != (test.status == 401) {
			t.Errorf("%s: WWW-Authenticate %q", name, wa)
		}
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be stored", name)
		}
		if strings.Contains(got.body, testSecret) {
			t.Errorf("%s: the secret is in the answer", name)
		}
	}
	if got := send(t, "GET", endpoint, ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", got.status)
	}

	spent := fresh()
	exchange(t, s, spent)
	if got := send(t, "POST", endpoint, spent.Encode(), form...); got.status != 400 || !strings.Contains(got.body, "invalid_grant") {
		t.Errorf("a code used twice: %d %s", got.status, got.body)
	}
	failed := fresh()
	send(t, "POST", endpoint, with(failed, "code_verifier", strings.Repeat("x", 43)).Encode(), form...)
	if got := send(t, "POST", endpoint, failed.Encode(), form...); got.status != 400 {
		t.Errorf("a code that was tried with a wrong verifier: %d", got.status)
	}
	replaced := fresh()
	fresh()
	if got := send(t, "POST", endpoint, replaced.Encode(), form...); got.status != 400 {
		t.Errorf("a code that a newer one has replaced: %d", got.status)
	}
	late := fresh()
	now.add(10*time.Minute + time.Second)
	if got := send(t, "POST", endpoint, late.Encode(), form...); got.status != 400 || !strings.Contains(got.body, "invalid_grant") {
		t.Errorf("an expired code: %d %s", got.status, got.body)
	}
}

func TestLifetimesAreConfigurable(t *testing.T) {
	now := newClock()
	o := options()
	o.Now, o.AccessTokenTTL, o.CodeTTL = now.now, time.Minute, time.Second
	s := open(t, o)
	got := exchange(t, s, tokenForm(allow(t, s, "dana", authorizeQuery())))
	if got.In != 60 {
		t.Errorf("expires_in %d", got.In)
	}
	late := tokenForm(allow(t, s, "dana", authorizeQuery()))
	now.add(2 * time.Second)
	if got := send(t, "POST", s.CoderURL()+"/oauth2/tokens", late.Encode(), form...); got.status != 400 {
		t.Errorf("a code after its second: %d", got.status)
	}
}

func TestResourceIsKept(t *testing.T) {
	s := open(t, options())
	const resource = "https://r.example/x"
	bound := with(tokenForm(allow(t, s, "dana", with(authorizeQuery(), "resource", resource))), "resource", resource)
	got := exchange(t, s, bound)
	if a := send(t, "POST", s.CoderURL()+"/oauth2/tokens", with(refreshForm(got.Refresh), "resource", "https://x.example").Encode(), form...); a.status != 400 || !strings.Contains(a.body, "invalid_target") {
		t.Errorf("another resource: %d %s", a.status, a.body)
	}
	exchange(t, s, with(refreshForm(got.Refresh), "resource", resource))
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

func TestCallbackMatching(t *testing.T) {
	c := &standIn{client: Client{RedirectURIs: []string{
		"http://localhost/cb", "http://[::1]:7007/cb?a=b", "https://localhost:7007/cb", "http://app.example:7007/cb",
	}}}
	for uri, want := range map[string]bool{
		"":                                   true, // the first
		"http://localhost/cb":                true,
		"http://localhost:1234/cb":           true,
		"http://[::1]/cb?a=b":                true,
		"http://[::1]/cb":                    false,
		"https://localhost:7007/cb":          true,
		"https://localhost:7008/cb":          false,
		"http://app.example:7007/cb":         true,
		"http://app.example:7008/cb":         false,
		"http://localhost:1234/cb/":          false,
		"http://localhost:1234/cb#f":         false,
		"http://u@localhost:1234/cb":         false,
		"http://localhost:1@evil.example/cb": false,
		"http://localhost.evil.example/cb":   false,
		"http://LOCALHOST/cb":                false,
		"//localhost/cb":                     false,
	} {
		if got := c.callback(uri) != nil; got != want {
			t.Errorf("%q: %v", uri, got)
		}
	}
}

// Neither the log nor an error names what a thief could use.
func TestLogHoldsNoSecret(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	o := options()
	o.Logger = zap.New(core)
	s := open(t, o)
	code := allow(t, s, "dana", authorizeQuery())
	got := exchange(t, s, tokenForm(code))
	next := exchange(t, s, refreshForm(got.Refresh))
	send(t, "POST", s.CoderURL()+"/oauth2/tokens", tokenForm(code).Encode(), form...)
	send(t, "POST", s.CoderURL()+"/oauth2/tokens", refreshForm(got.Refresh).Encode(), form...)
	me(t, s, next.Access)
	if logs.Len() < 4 {
		t.Fatalf("%d entries", logs.Len())
	}
	for _, entry := range logs.All() {
		line := fmt.Sprint(entry.Message, entry.ContextMap())
		for _, secret := range []string{testSecret, code, verifier, got.Access, got.Refresh, next.Access, next.Refresh} {
			if strings.Contains(line, secret) {
				t.Errorf("a secret is in the log entry %q", entry.Message)
			}
		}
	}
}
