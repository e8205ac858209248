package coder

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// legacyState is what the legacy frontend sends: btoa(JSON.stringify({returnTo: '/catalog'})).
const legacyState = "eyJyZXR1cm5UbyI6Ii9jYXRhbG9nIn0="

func TestCallbackHandsTheTokenToTheApp(t *testing.T) {
	b := both(t)
	for name, state := range map[string]string{"no state": "", "legacy frontend": "&state=" + legacyState} {
		answer := b.browser(t).get("/oauth/callback?code=" + b.coder.code("") + state)
		if answer.StatusCode != 200 || answer.visible() != "Authentication successful! This window will close automatically..." {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.visible())
		}
		said := answer.told(t)
		if !strings.HasPrefix(said.token(), accessPrefix) || said.Messages[0].Data.Type != "coder-oauth-success" || said.Close != 500 ||
			said.Alone != "Authentication successful! You can close this window." {
			t.Errorf("%s: the page tells %+v", name, said)
		}
	}
}

func TestCallbackWithoutACode(t *testing.T) {
	b := both(t)
	for _, query := range []string{"", "?code=", "?code=a&code=b", "?code[]=a", "?code[x]=a", "?code=a&code[]=b", "?state=x"} {
		answer := b.browser(t).get("/oauth/callback" + query)
		if answer.StatusCode != 400 || answer.body != "Missing authorization code" || answer.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: status %d: %s", query, answer.StatusCode, answer.body)
		}
	}
	if calls := b.coder.seen("/oauth2/tokens"); len(calls) != 0 {
		t.Errorf("Coder was asked %d times", len(calls))
	}
}

func TestL1_TokenGoesToTheAppsOriginsOnly(t *testing.T) {
	b := both(t)
	said := b.browser(t).get("/oauth/callback?code=" + b.coder.code("")).told(t)
	if want := []string{appURL, "https://other.example"}; !cmp.Equal(want, said.Messages[0].Origins) {
		t.Error(cmp.Diff(want, said.Messages[0].Origins))
	}
	coder := newFakeCoder(t)
	alone := start(t, coder, func(base string) string { return config(base, coder.URL, "") })
	if to := alone.browser(t).get("/oauth/callback?code=" + coder.code("")).told(t).to(); to != appURL {
		t.Errorf("the token goes to %q, want %q alone", to, appURL)
	}
}

func TestL2_StateIsCheckedBeforeTheCodeIsSpent(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, state := br.begin("/oauth2/authorize?client_id=backstage&response_type=code&redirect_uri=" +
		url.QueryEscape(b.URL+"/api/auth/coder/oauth/callback"))
	for name, path := range map[string]string{
		"made up":             "/oauth/callback?code=x&state=abc",
		"JSON without a path": "/oauth/callback?code=x&state=" + "e30=",
		"another browser":     "",
		"changed":             "/oauth/callback?code=x&state=" + state[:len(state)-1] + "0",
		"upper case":          "/oauth/callback?code=x&state=" + strings.ToUpper(state),
	} {
		from := br
		if path == "" {
			from, path = b.browser(t), callback
		}
		answer := from.get(path)
		if said := answer.told(t); answer.StatusCode != 403 || said.failure() != "invalid_state" || said.token() != "" {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.visible())
		}
	}
	if calls := b.coder.seen("/oauth2/tokens"); len(calls) != 0 {
		t.Fatalf("Coder was asked %d times", len(calls))
	}
	if said := br.get(callback).told(t); said.token() == "" {
		t.Error("the right browser with the right state is refused")
	}
	if answer := br.get(callback); answer.StatusCode != 403 {
		t.Errorf("a replay: status %d", answer.StatusCode)
	}
}

func TestLegacyStateCanBeRefused(t *testing.T) {
	coder := newFakeCoder(t)
	for name, yaml := range map[string]func(base string) string{
		"as configured": func(base string) string {
			return strings.Replace(config(base, coder.URL, ""), "oauth: {", "oauth: {allowLegacyState: false, ", 1)
		},
		"with the bridge": func(base string) string {
			return strings.Replace(config(base, base+"/api/auth/coder", ""), "oauth: {", "oauth: {deploymentUrl: '"+coder.URL+"', ", 1)
		},
	} {
		b := start(t, coder, yaml)
		for _, state := range []string{"", "&state=" + legacyState} {
			if answer := b.browser(t).get("/oauth/callback?code=" + coder.code("") + state); answer.StatusCode != 403 {
				t.Errorf("%s, state %q: status %d", name, state, answer.StatusCode)
			}
		}
	}
}

func TestL3_TokenIsDataAndNeverScript(t *testing.T) {
	b := both(t)
	nasty := `a'b"c</script><img src=x onerror=alert(1)><!--` + accessPrefix
	b.coder.set(func(f *fakeCoder) {
		f.token = func(w http.ResponseWriter, _ *http.Request) bool {
			answer(w, 200, map[string]any{"access_token": nasty})
			return true
		}
	})
	answer := b.browser(t).get("/oauth/callback?code=x")
	if token := answer.told(t).token(); token != nasty {
		t.Errorf("the token arrives as %q", token)
	}
	if strings.Contains(answer.body, "<img") || strings.Count(answer.body, "<script") != 2 || strings.Count(answer.body, "</script") != 2 {
		t.Errorf("the token breaks out of its place: %s", answer.body)
	}
}

func TestL4_PagePolicy(t *testing.T) {
	b := both(t)
	policies := map[string]bool{}
	for _, path := range []string{"/oauth/callback?code=" + b.coder.code(""), "/oauth/callback?code=bad", "/oauth/callback?error=access_denied"} {
		policy := b.browser(t).get(path).Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'nonce-", "style-src 'nonce-", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: no %s in %q", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || policies[policy] {
			t.Errorf("%s: unsafe, or a nonce that was used before: %q", path, policy)
		}
		policies[policy] = true
	}
}

func TestL5_RedirectURIIsConfigured(t *testing.T) {
	b := both(t)
	request, _ := http.NewRequest(http.MethodGet, b.URL+"/api/auth/coder/oauth/callback?code="+b.coder.code(""), nil)
	request.Host = "evil.example"
	request.Header.Set("X-Forwarded-Host", "evil.example")
	answer, err := b.browser(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if got, want := b.coder.seen("/oauth2/tokens")[0].form.Get("redirect_uri"), b.URL+"/api/auth/coder/oauth/callback"; got != want {
		t.Errorf("redirect_uri %q, want %q", got, want)
	}
}

// TestL6_FailedExchangesLogNoSecret relies on TestMain for the search; it sees to it that there is something
// to be found, and that an operator learns enough.
func TestL6_FailedExchangesLogNoSecret(t *testing.T) {
	b := both(t)
	b.browser(t).get("/oauth/callback?code=" + codePrefix + "junk")
	lines := b.logs.FilterMessage("OAuth token exchange failed").All()
	if len(lines) != 1 {
		t.Fatalf("%d log lines", len(lines))
	}
	fields := lines[0].ContextMap()
	if fields["deployment"] != b.coder.URL || !strings.Contains(fields["error"].(string), "invalid_grant") || fields["hint"] == "" {
		t.Errorf("the log line does not help: %v", fields)
	}
}

func TestL7_ErrorURLsHoldNoCode(t *testing.T) {
	b := both(t)
	answer := b.browser(t).get("/oauth/nowhere?code=" + codePrefix + "x&state=abc&a=b")
	if want := `"url":"/coder/oauth/nowhere?code=***&state=***&a=b"`; answer.StatusCode != 404 || !strings.Contains(answer.body, want) {
		t.Errorf("status %d: %s", answer.StatusCode, answer.body)
	}
}

// upstreamFailures are the ways in which the token endpoint can fail, and what the legacy callback makes of them.
var upstreamFailures = map[string]struct {
	token  func(http.ResponseWriter, *http.Request) bool
	status int
	says   string
}{
	"400 invalid_grant":  {failing(400, `{"error":"invalid_grant","error_description":"`+upstreamProse+`"}`), 502, "refused with invalid_grant"},
	"401 invalid_client": {failing(401, `{"error":"invalid_client"}`), 502, "refused with invalid_client"},
	"prose as the code":  {failing(400, `{"error":"`+upstreamProse+` and more"}`), 502, "in trouble"},
	"403 HTML":           {failing(403, "<h1>"+upstreamProse), 502, "deployment refused."},
	"302": {func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(302)
		return true
	}, 502, "in trouble"},
	"429":                {failing(429, upstreamProse), 502, "in trouble"},
	"500":                {failing(500, `{"message":"`+upstreamProse+`"}`), 502, "in trouble"},
	"error in a 200":     {failing(200, `{"error":"server_error"}`), 502, "in trouble"},
	"HTML":               {htmlPage, 502, "did not respond with access token"},
	"no token":           {failing(200, `{"token_type":"Bearer"}`), 502, "did not respond with access token"},
	"token is an object": {failing(200, `{"access_token":{"a":"b"}}`), 502, "did not respond with access token"},
	"token is a number":  {failing(200, `{"access_token":5}`), 502, "did not respond with access token"},
	"control characters": {failing(200, `{"access_token":"a\u0000\r\nb"}`), 502, "did not respond with access token"},
	"broken JSON":        {failing(200, `{"access_token":"`), 502, "did not respond with access token"},
	"50 MB":              {huge, 502, "did not respond with access token"},
	"hangs up":           {hangUp, 502, "cannot be reached"},
	"never ends":         {neverEnds, 504, "did not answer in time"},
	"silent":             {silent, 504, "did not answer in time"},
}

func TestL8_UpstreamFailures(t *testing.T) {
	t.Parallel()
	b := both(t)
	hasty := b.hasty(t)
	for name, test := range upstreamFailures {
		t.Run(name, func(t *testing.T) {
			b.coder.set(func(f *fakeCoder) { f.token = test.token })
			br := b.browser(t)
			if test.status == http.StatusGatewayTimeout {
				br.b = hasty
			}
			answer := br.get("/oauth/callback?code=x")
			if answer.StatusCode != test.status || !strings.Contains(answer.visible(), test.says) || !strings.HasPrefix(answer.visible(), "Authentication failed ") {
				t.Errorf("status %d: %s", answer.StatusCode, answer.visible())
			}
			if strings.Contains(answer.body, b.coder.Listener.Addr().String()) || strings.Contains(answer.body, upstreamProse) {
				t.Errorf("internals are shown: %s", answer.body)
			}
		})
	}
	b.coder.Close()
	if answer := b.browser(t).get("/oauth/callback?code=x"); answer.StatusCode != 502 || !strings.Contains(answer.visible(), "cannot be reached") {
		t.Errorf("down: status %d: %s", answer.StatusCode, answer.visible())
	}
}

func TestL9_UpstreamIsLimitedInTimeAndSize(t *testing.T) {
	t.Parallel()
	b := both(t).hasty(t)
	for name, hook := range map[string]func(http.ResponseWriter, *http.Request) bool{"size": huge, "time": neverEnds} {
		b.coder.set(func(f *fakeCoder) { f.token = hook })
		if answer := b.browser(t).get("/oauth/callback?code=x"); answer.StatusCode < 502 || answer.told(t).token() != "" {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
	}
}

func TestL10_HEADSpendsNothing(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	code := b.coder.code("")
	if answer := br.do(http.MethodHead, "/oauth/callback?code="+code, nil); answer.StatusCode != 200 || answer.Header.Get("Content-Type") != htmlUTF8 {
		t.Errorf("status %d", answer.StatusCode)
	}
	if answer := br.do(http.MethodHead, "/oauth/callback", nil); answer.StatusCode != 400 {
		t.Errorf("without a code: status %d", answer.StatusCode)
	}
	callback, _ := br.begin("/start?env=development")
	br.do(http.MethodHead, callback, nil)
	if calls := b.coder.seen("/oauth2/tokens"); len(calls) != 0 {
		t.Fatalf("HEAD spent %d codes", len(calls))
	}
	if br.get("/oauth/callback?code="+code).told(t).token() == "" || br.get(callback).told(t).token() == "" {
		t.Error("HEAD spoiled the sign-in")
	}
}

func TestL11_TokenPagesAreNotKept(t *testing.T) {
	b := both(t)
	answer := b.browser(t).get("/oauth/callback?code="+b.coder.code(""), "Accept-Encoding", "gzip")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Etag": "", "Content-Encoding": "",
		"Cross-Origin-Opener-Policy": "",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestL12_OnlyTextIsAToken(t *testing.T) {
	b := both(t)
	b.coder.set(func(f *fakeCoder) { f.token = failing(200, `{"access_token":{"nested":["`+accessPrefix+`"]}}`) })
	answer := b.browser(t).get("/oauth/callback?code=x")
	if answer.StatusCode != 502 || strings.Contains(answer.body, "object Object") || answer.told(t).token() != "" {
		t.Errorf("status %d: %s", answer.StatusCode, answer.visible())
	}
}

func TestL13_CancelIsCalledCancelAndTheOpenerHears(t *testing.T) {
	b := both(t)
	for query, want := range map[string]string{
		"error=access_denied&error_description=Call+this+number&state=x": "cancelled or denied",
		"error=access_denied": "cancelled or denied",
		"error=server_error":  "server_error",
		"error=%3Cscript%3E&error_description=%22%3E%3Cimg%20src=x%3E%00%0a": "unknown_error",
	} {
		answer := b.browser(t).get("/oauth/callback?" + query)
		said := answer.told(t)
		if answer.StatusCode != 400 || !strings.Contains(answer.visible(), want) || strings.Contains(answer.body, "Missing authorization code") {
			t.Errorf("%s: status %d: %s", query, answer.StatusCode, answer.visible())
		}
		if said.Messages[0].Data.Type != "coder-oauth-error" || said.failure() == "" || !strings.HasPrefix(said.to(), appURL) {
			t.Errorf("%s: the opener hears %+v", query, said)
		}
		if strings.Contains(answer.body, "<img") || strings.Contains(answer.body, "Call") {
			t.Errorf("%s: a link's text gets through", query)
		}
	}
}

func TestACodeGoesBeforeAnError(t *testing.T) {
	b := both(t)
	for _, query := range []string{"&error=access_denied", "&state=", "&state=" + strings.TrimRight(legacyState, "=")} {
		if said := b.browser(t).get("/oauth/callback?code=" + b.coder.code("") + query).told(t); said.token() == "" {
			t.Errorf("%s: the opener hears %q", query, said.failure())
		}
	}
}

func TestL14_BridgeAddsPKCEAndAState(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	back := b.URL + "/api/auth/coder/oauth/callback"
	ask := "/oauth2/authorize?client_id=backstage&response_type=code&state=" + legacyState + "&redirect_uri=" + url.QueryEscape(back)
	to, _ := url.Parse(br.get(ask).Header.Get("Location"))
	query := to.Query()
	if to.Host != b.coder.Listener.Addr().String() || to.Path != "/oauth2/authorize" || query.Get("redirect_uri") != back || query.Get("client_id") != "backstage" {
		t.Errorf("the bridge leads to %s", to)
	}
	for name := range query {
		if !strings.Contains(" response_type client_id redirect_uri state code_challenge code_challenge_method ", " "+name+" ") {
			t.Errorf("Coder does not know the parameter %s", name)
		}
	}
	if query.Get("code_challenge_method") != "S256" || len(query.Get("code_challenge")) != 43 || query.Get("state") == legacyState {
		t.Errorf("no PKCE, or the old state: %v", query)
	}
	callback, _ := br.begin(ask)
	if br.get(callback).told(t).token() == "" {
		t.Error("a bridged sign-in fails")
	}
	calls := b.coder.seen("/oauth2/tokens")
	if verifier := calls[len(calls)-1].form.Get("code_verifier"); len(verifier) != 43 {
		t.Errorf("code_verifier %q", verifier)
	}
}

func TestBridgeRefuses(t *testing.T) {
	b := both(t)
	back := url.QueryEscape(b.URL + "/api/auth/coder/oauth/callback")
	for name, query := range map[string]string{
		"client_id":     "client_id=other&response_type=code&redirect_uri=" + back,
		"redirect_uri":  "client_id=backstage&response_type=code&redirect_uri=https%3A%2F%2Fevil.example",
		"response_type": "client_id=backstage&response_type=token&redirect_uri=" + back,
		"no query":      "",
	} {
		answer := b.browser(t).get("/oauth2/authorize?" + query)
		if answer.StatusCode != 400 || answer.Header.Get("Location") != "" || answer.told(t).failure() != "invalid_request" {
			t.Errorf("%s: status %d to %q", name, answer.StatusCode, answer.Header.Get("Location"))
		}
	}
}

func TestBridgePinsTheAppThatOpenedIt(t *testing.T) {
	b := both(t)
	for referrer, want := range map[string]string{
		"https://pr-1.preview.example/x": "https://pr-1.preview.example",
		"https://evil.example/":          appURL + " https://other.example",
		"":                               appURL + " https://other.example",
	} {
		br := b.browser(t)
		callback, _ := br.begin("/oauth2/authorize?client_id=backstage&response_type=code&redirect_uri="+
			url.QueryEscape(b.URL+"/api/auth/coder/oauth/callback"), "Referer", referrer)
		if to := br.get(callback).told(t).to(); to != want {
			t.Errorf("opened by %q: the token goes to %q, want %q", referrer, to, want)
		}
	}
}

func TestBridgeCancelWithAState(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	_, state := br.begin("/oauth2/authorize?client_id=backstage&response_type=code&redirect_uri=" +
		url.QueryEscape(b.URL+"/api/auth/coder/oauth/callback"))
	answer := br.get("/oauth/callback?error=access_denied&error_description=The+user+said+no&state=" + state)
	if !strings.Contains(answer.visible(), "Coder says: The user said no") || br.flows() != 0 {
		t.Errorf("%d flows pending: %s", br.flows(), answer.visible())
	}
}

func TestBridgeCancelWithoutAState(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.begin("/oauth2/authorize?client_id=backstage&response_type=code&redirect_uri="+
		url.QueryEscape(b.URL+"/api/auth/coder/oauth/callback"), "Referer", "https://pr-1.preview.example/")
	said := br.get("/oauth/callback?error=access_denied").told(t)
	if said.to() != "https://pr-1.preview.example" || said.failure() != "access_denied" {
		t.Errorf("the app hears %+v", said)
	}
}

func TestBridgedFrontendsLinksLeadToCoder(t *testing.T) {
	coder := newFakeCoder(t)
	b := start(t, coder, func(base string) string {
		return strings.Replace(config(base, base+"/api/auth/coder", ""), "oauth: {", "oauth: {deploymentUrl: '"+coder.URL+"', ", 1)
	})
	for path, want := range map[string]string{
		"/cli-auth":                            coder.URL + "/cli-auth",
		"/templates/Dev/workspace?mode=manual": coder.URL + "/templates/Dev/workspace?mode=manual",
		"/@Wren/My-Space":                      coder.URL + "/@Wren/My-Space",
		"/health":                              "",
		"/nowhere":                             "",
	} {
		if got := b.browser(t).get(path).Header.Get("Location"); got != want {
			t.Errorf("%s leads to %q, want %q", path, got, want)
		}
	}
	if got := both(t).browser(t).get("/cli-auth"); got.StatusCode != 404 {
		t.Errorf("without the bridge: status %d", got.StatusCode)
	}
}

func TestCallbackWithOddInput(t *testing.T) {
	b := both(t)
	many := strings.Repeat("a=b&", 200)
	for name, query := range map[string]string{
		"64 kB code":         "code=" + strings.Repeat("A", 64<<10),
		"200 parameters":     many + "code=x",
		"control characters": "code=%00%01%0d%0aSet-Cookie:+a=b",
		"broken escapes":     "code=x&%zz=%zz&state=%",
		"semicolons":         "a;b;c&code=x",
		"invalid UTF-8":      "code=%ff%fe",
	} {
		answer := b.browser(t).get("/oauth/callback?" + query)
		if answer.StatusCode != 502 && answer.StatusCode != 403 || answer.told(t).token() != "" {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.visible())
		}
	}
}
