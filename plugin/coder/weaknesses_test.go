package coder

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestP1_NoRedirectForAStateThatIsNotOurs(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	state := hex.EncodeToString([]byte("nonce=x&env=development&flow=redirect&redirectUrl=" + url.QueryEscape("https://evil.example/steal")))
	for _, path := range []string{"/handler/frame?code=x&state=" + state, "/handler/frame?error=access_denied&state=" + state} {
		answer := br.get(path)
		if answer.StatusCode != 200 || answer.Header.Get("Location") != "" || answer.told(t).failure() != "NotAllowedError: Auth response is missing cookie nonce" {
			t.Errorf("status %d to %q: %s", answer.StatusCode, answer.Header.Get("Location"), answer.visible())
		}
	}
}

func TestP2_RedirectsStayOnAllowedOrigins(t *testing.T) {
	b := both(t)
	for _, target := range []string{
		"https://evil.example/steal", "javascript:alert(1)", "//evil.example", `/\evil.example`, "/\t/evil.example",
		"data:text/html,x", "http://app .example/", appURL + ".evil.example/", "http://app.example:3000@evil.example/", "evil", "https:evil.example", " https://evil.example", `https://evil.example\@app.example`,
	} {
		answer := b.browser(t).get("/start?env=development&flow=redirect&redirectUrl=" + url.QueryEscape(target))
		if answer.StatusCode != 403 && answer.StatusCode != 400 {
			t.Errorf("%q: status %d", target, answer.StatusCode)
		}
	}
	for _, target := range []string{appURL + "/catalog?a=1", "https://pr-1.preview.example/x", "/catalog", appURL + "/a%20b"} {
		br := b.browser(t)
		callback, _ := br.begin("/start?env=development&flow=redirect&redirectUrl=" + url.QueryEscape(target))
		if answer := br.get(callback); answer.StatusCode != 302 || answer.Header.Get("Location") != target || br.cookie("/refresh", refreshCookie) == "" {
			t.Errorf("%q: status %d to %q", target, answer.StatusCode, answer.Header.Get("Location"))
		}
		_, state := br.begin("/start?env=development&flow=redirect&redirectUrl=" + url.QueryEscape(target))
		answer := br.get("/handler/frame?error=access_denied&state=" + state)
		to, _ := url.Parse(answer.Header.Get("Location"))
		if to.Query().Get("error") != "Authentication rejected, the sign-in was cancelled or denied at Coder" || !strings.HasPrefix(to.String(), strings.Split(target, "?")[0]) {
			t.Errorf("%q: a failure leads to %q", target, to)
		}
	}
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development&flow=redirect")
	if said := br.get(callback).told(t); said.failure() != "InputError: No redirectUrl provided in request query parameters" {
		t.Errorf("no URL: the app hears %q", said.failure())
	}
}

func TestWithError(t *testing.T) {
	for target, want := range map[string]string{
		"/x": "/x?error=a+b%26",
		"https://x.example/?b=1&error=old&a=%20&error=x#f": "https://x.example/?b=1&error=a+b%26&a=+#f",
		"https://x.example": "https://x.example/?error=a+b%26",
	} {
		if got := withError(target, "a b&"); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
}

func TestP3_OriginsAreChecked(t *testing.T) {
	b := both(t)
	for origin, status := range map[string]int{
		appURL: 302, "https://pr-1.preview.example": 302, "https://a.b.preview.example/path": 302,
		"https://preview.example": 403, "http://pr-1.preview.example": 403, "https://pr-1.preview.example.evil.example": 403, "": 400,
	} {
		if answer := b.browser(t).get("/start?env=development&origin=" + url.QueryEscape(origin)); answer.StatusCode != status {
			t.Errorf("start from %q: status %d, want %d", origin, answer.StatusCode, status)
		}
	}
	br := b.browser(t)
	br.signIn("development")
	if answer := br.do("POST", "/logout?env=development", nil, "X-Requested-With", "XMLHttpRequest", "Origin", "https://evil.example"); answer.StatusCode != 403 || br.cookie("/refresh", refreshCookie) == "" {
		t.Errorf("logout from a foreign origin: status %d", answer.StatusCode)
	}
	if answer := br.do("POST", "/logout?env=development", nil, "X-Requested-With", "XMLHttpRequest", "Origin", appURL); answer.StatusCode != 200 {
		t.Errorf("logout from the app: status %d", answer.StatusCode)
	}
}

func TestP4_RefusedOriginHearsNothing(t *testing.T) {
	b := both(t)
	for origin, want := range map[string]string{
		"https://evil.example": "NotAllowedError: Origin 'https://evil.example' is not allowed",
		"no-url":               "NotAllowedError: App origin is invalid, failed to parse",
	} {
		state := hex.EncodeToString([]byte("nonce=x&env=development&origin=" + url.QueryEscape(origin)))
		said := b.browser(t).get("/handler/frame?code=x&state=" + state).told(t)
		if said.to() != appURL || said.failure() != want || said.Messages[0].Data.TargetOrigin != appURL {
			t.Errorf("%s: %q goes to %q", origin, said.failure(), said.to())
		}
	}
}

func TestP5_OnlyTheOriginGoesToAnyone(t *testing.T) {
	b := both(t)
	said := b.browser(t).signIn("development")
	for i, message := range said.Messages {
		if anyone := message.Origins[0] == "*"; anyone != (i == 0) || anyone && (message.Data.Type != "config_info" || message.Data.TargetOrigin != appURL) {
			t.Errorf("message %d goes to %v: %+v", i, message.Origins, message.Data)
		}
	}
}

func TestP6_NoCharacterOfTheStateCanBeChanged(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, state := br.begin("/start?env=development&origin=https://other.example")
	for i := range state {
		for _, c := range "0a" {
			changed := state[:i] + string(c) + state[i+1:]
			if changed == state {
				continue
			}
			// With env in the query the state alone decides.
			answer := br.get("/handler/frame?env=development&code=x&state=" + changed)
			if said := answer.told(t); !strings.HasPrefix(said.failure(), "NotAllowedError: ") {
				t.Fatalf("character %d changed to %c: %q", i, c, said.failure())
			}
		}
	}
	for name, changed := range map[string]string{"upper case": strings.ToUpper(state), "longer": state + "00", "shorter": state[:len(state)-2], "blank": state + "%20"} {
		if said := br.get("/handler/frame?env=development&code=x&state=" + changed).told(t); !strings.HasPrefix(said.failure(), "NotAllowedError: ") {
			t.Errorf("%s: %q", name, said.failure())
		}
	}
	staging := strings.Replace(callback, "?", "?env=staging&", 1)
	if said := br.get(staging).told(t); said.failure() != "NotAllowedError: OAuth state is invalid, it belongs to another environment" {
		t.Errorf("env in the query: %q", said.failure())
	}
	if calls := b.coder.seen("/oauth2/tokens"); len(calls) != 0 {
		t.Fatalf("Coder was asked %d times", len(calls))
	}
	if br.get(callback).told(t).token() == "" {
		t.Error("the state as it was is refused")
	}
}

func TestP7_RefreshTokensBelongToTheirEnvironment(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	if answer := br.refresh("staging"); answer.StatusCode != 401 || !strings.Contains(answer.body, "Missing session cookie") {
		t.Errorf("status %d: %s", answer.StatusCode, answer.body)
	}
	if answer := br.logout("staging"); answer.StatusCode != 200 || len(b.coder.seen("/oauth2/revoke")) != 0 {
		t.Errorf("logout of the other environment: status %d, %d revocations", answer.StatusCode, len(b.coder.seen("/oauth2/revoke")))
	}
	for _, c := range b.coder.seen("/oauth2/tokens") {
		if c.form.Get("client_id") == "backstage-staging" {
			t.Error("a token of development was sent with the client of staging")
		}
	}
	br.signIn("staging")
	if answer := br.refresh("development"); answer.StatusCode != 401 {
		t.Errorf("the other way round: status %d", answer.StatusCode)
	}
	if answer := br.refresh("staging"); answer.StatusCode != 200 {
		t.Errorf("the right environment: status %d: %s", answer.StatusCode, answer.body)
	}
}

// TestNodesCookiesAreTaken: a token without a binding was set by a Node backend, for the environment that the
// frontend uses.
func TestNodesCookiesAreTaken(t *testing.T) {
	b := both(t)
	b.coder.set(func(f *fakeCoder) { f.refresh[refreshPrefix+"node"] = true })
	for env, status := range map[string]int{"staging": 401, "development": 200} {
		answer := b.browser(t).do("POST", "/refresh?env="+env, nil, "X-Requested-With", "XMLHttpRequest", "Cookie", refreshCookie+"="+refreshPrefix+"node")
		if answer.StatusCode != status {
			t.Errorf("%s: status %d: %s", env, answer.StatusCode, answer.body)
		}
	}
}

func TestP8_RotatedTokenIsKeptWhenTheProfileFails(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	before := br.cookie("/refresh", refreshCookie)
	b.coder.set(func(f *fakeCoder) { f.me = failing(500, upstreamProse) })
	if answer := br.refresh("development"); answer.StatusCode != 502 || !strings.Contains(answer.body, "Failed to fetch Coder user profile") {
		t.Errorf("status %d: %s", answer.StatusCode, answer.body)
	}
	after := br.cookie("/refresh", refreshCookie)
	if after == before || after == "" {
		t.Error("the rotated token is lost")
	}
	b.coder.set(func(f *fakeCoder) { f.me = nil })
	if answer := br.refresh("development"); answer.StatusCode != 200 {
		t.Errorf("afterwards: status %d: %s", answer.StatusCode, answer.body)
	}
}

func TestP9_ReplayNeverReachesCoder(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development")
	br.get(callback)
	asked := len(b.coder.seen("/oauth2/tokens"))
	if said := br.get(callback).told(t); said.failure() != "NotAllowedError: Invalid nonce" || len(b.coder.seen("/oauth2/tokens")) != asked {
		t.Errorf("the replay: %q, %d requests", said.failure(), len(b.coder.seen("/oauth2/tokens"))-asked)
	}
}

func TestP10_CookiesOfACustomCallbackComeBack(t *testing.T) {
	coder := newFakeCoder(t)
	var base string
	b := start(t, coder, func(at string) string {
		base = at
		return config(at, coder.URL, fmt.Sprintf("auth: {providers: {coder: {development: {clientId: backstage, clientSecret: %q, deploymentUrl: %q, callbackUrl: '%s/api/auth/custom/return'}}}}",
			clientSecret, coder.URL, at))
	})
	answer := b.browser(t).get("/start?env=development")
	for _, c := range answer.Cookies() {
		if c.MaxAge > 0 && c.Path != "/api/auth/custom/return" {
			t.Errorf("%s has path %s, where the callback %s is not", c.Name, c.Path, base+"/api/auth/custom/return")
		}
	}
	e := b.handler.(*handler).environments["development"]
	if path := e.app.policy(b.handler.(*handler).settings.mount, "").sessionPath; path != "/api/auth/coder" {
		t.Errorf("the refresh token has path %s, where /refresh is not", path)
	}
}

func TestP11_UpstreamDetailsAreNotShown(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	b.coder.set(func(f *fakeCoder) { f.me = failing(401, `{"message":"`+upstreamProse+`"}`) })
	if answer := br.refresh("development"); answer.StatusCode != 401 || strings.Contains(answer.body, upstreamProse) {
		t.Errorf("profile: status %d: %s", answer.StatusCode, answer.body)
	}
	address := b.coder.Listener.Addr().String()
	b.coder.Close()
	if answer := br.refresh("development"); answer.StatusCode != 502 || strings.Contains(answer.body, address) || strings.Contains(answer.body, "dial") {
		t.Errorf("down: status %d: %s", answer.StatusCode, answer.body)
	}
}

func TestP12_ExpiredSessionAndOutageAreToldApart(t *testing.T) {
	t.Parallel()
	b := both(t)
	hasty := b.hasty(t)
	for name, test := range upstreamFailures {
		br := b.browser(t)
		b.coder.set(func(f *fakeCoder) { f.token = nil })
		br.signIn("development")
		if test.status == http.StatusGatewayTimeout {
			br.b = hasty
		}
		b.coder.set(func(f *fakeCoder) { f.token = test.token })
		answer := br.refresh("development")
		status, ended := test.status, name == "400 invalid_grant"
		if ended || name == "401 invalid_client" || name == "403 HTML" {
			status = 401
		}
		if answer.StatusCode != status || !strings.Contains(answer.body, "Refresh failed; caused by Error: Failed to refresh access token, ") {
			t.Errorf("%s: status %d, want %d: %s", name, answer.StatusCode, status, answer.body)
		}
		if gone := br.cookie("/refresh", refreshCookie) == ""; gone != ended {
			t.Errorf("%s: cookie gone: %t", name, gone)
		}
	}
}

func TestP13_ErrorsRepeatNeitherCodeNorBody(t *testing.T) {
	b := both(t)
	answer := b.browser(t).get("/handler/frame?code=" + codePrefix + "x")
	if !strings.Contains(answer.body, `"url":"/coder/handler/frame?code=***"`) {
		t.Error(answer.body)
	}
	answer = b.browser(t).do("POST", "/refresh?env=development", strings.NewReader(`{"code":"`+codePrefix), "Content-Type", "application/json")
	if answer.StatusCode != 400 || !strings.Contains(answer.body, `{"name":"SyntaxError","message":"Unexpected end of JSON input","expose":true,"status":400,"statusCode":400,"type":"entity.parse.failed"}`) {
		t.Errorf("status %d: %s", answer.StatusCode, answer.body)
	}
}

func TestP14_TokensAreNotKeptAndHEADDoesNothing(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development")
	if answer := br.do("HEAD", callback, nil); answer.StatusCode != 200 || answer.Header.Get("Content-Type") != frameType || len(answer.Cookies()) != 0 {
		t.Errorf("HEAD on the frame: status %d, %v", answer.StatusCode, answer.Header)
	}
	page := br.get(callback)
	asked := len(b.coder.seen("/oauth2/tokens"))
	if answer := br.do("HEAD", "/refresh?env=development", nil, "X-Requested-With", "XMLHttpRequest"); answer.StatusCode != 200 || len(b.coder.seen("/oauth2/tokens")) != asked {
		t.Errorf("HEAD on refresh: status %d, %d requests", answer.StatusCode, len(b.coder.seen("/oauth2/tokens"))-asked)
	}
	for name, answer := range map[string]response{
		"frame": page, "refresh": br.refresh("development"),
		"GET refresh": br.get("/refresh?env=development", "X-Requested-With", "XMLHttpRequest"),
	} {
		if answer.StatusCode != 200 || answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("ETag") != "" || answer.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: status %d, %v", name, answer.StatusCode, answer.Header)
		}
	}
}

func TestP15_PKCEIsAlwaysThere(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	to, _ := url.Parse(br.get("/start?env=staging&scope=x,a|y").Header.Get("Location"))
	query := to.Query()
	if query.Get("code_challenge_method") != "S256" || len(query.Get("code_challenge")) != 43 || query.Get("scope") != "x a y b" {
		t.Errorf("asked for %v", query)
	}
	for name := range query {
		if !strings.Contains(" response_type client_id redirect_uri scope state code_challenge code_challenge_method ", " "+name+" ") {
			t.Errorf("Coder does not know the parameter %s", name)
		}
	}
	br.signIn("development") // the fake refuses a wrong verifier
	if verifier := b.coder.seen("/oauth2/tokens")[0].form.Get("code_verifier"); len(verifier) != 43 {
		t.Errorf("code_verifier of %d characters", len(verifier))
	}
}

func TestP16_OddTokensAndCodesAreNotPassedOn(t *testing.T) {
	b := both(t)
	b.coder.set(func(f *fakeCoder) { f.token = failing(200, `{"access_token":{"a":1},"refresh_token":"x"}`) })
	if said := b.browser(t).doSignIn().told(t); said.token() != "" || said.failure() == "" {
		t.Errorf("an object as token: %+v", said)
	}
	b.coder.set(func(f *fakeCoder) { f.token, f.calls = nil, nil })
	b.browser(t).do("POST", "/refresh?env=development", nil, "X-Requested-With", "XMLHttpRequest", "Cookie", refreshCookie+`=j:{"a":1}`)
	if got := b.coder.seen("/oauth2/tokens")[0].form.Get("refresh_token"); got != `j:{"a":1}` {
		t.Errorf("a j: cookie is sent as %q", got)
	}
}

func TestP17_UpstreamIsLimited(t *testing.T) {
	t.Parallel()
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	br.b = b.hasty(t)
	for name, hook := range map[string]func(http.ResponseWriter, *http.Request) bool{"silent": silent, "endless": neverEnds, "huge": huge} {
		b.coder.set(func(f *fakeCoder) { f.token = hook })
		if answer := br.refresh("development"); answer.StatusCode < 502 {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
	}
}

func TestP18_LogoutRevokesAtCoder(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	token := br.cookie("/refresh", refreshCookie)
	br.logout("development")
	calls := b.coder.seen("/oauth2/revoke")
	if len(calls) != 1 || calls[0].form.Get("token") != token || calls[0].form.Get("client_secret") != clientSecret {
		t.Fatalf("revocations: %v", len(calls))
	}
	br.signIn("development")
	b.coder.set(func(f *fakeCoder) { f.revoke = failing(500, upstreamProse) })
	if answer := br.logout("development"); answer.StatusCode != 200 || br.cookie("/refresh", refreshCookie) != "" {
		t.Errorf("when Coder does not revoke: status %d", answer.StatusCode)
	}
}
