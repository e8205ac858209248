package coder

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// legacyState is what the legacy frontend sends: btoa(JSON.stringify({returnTo: '/catalog'})).
const legacyState = "eyJyZXR1cm5UbyI6Ii9jYXRhbG9nIn0="

func TestCallbackHandsTheTokenToTheApp(t *testing.T) {
	b := legacyOnly(t)
	for name, state := range map[string]string{"no state": "", "legacy frontend": "&state=" + legacyState} {
		answer := b.browser(t).get("/oauth/callback?code=" + b.coder.code("") + state)
		if answer.StatusCode != 200 || !strings.Contains(answer.visible(), "Authentication successful! This window will close automatically...") {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.visible())
		}
		said := answer.posted(t)
		if !strings.HasPrefix(said.token(), accessPrefix) || said.Messages[0].Data.Type != "coder-oauth-success" || said.Close != 500 ||
			!strings.HasPrefix(said.Alone, "Coder has confirmed the sign-in, but no window") {
			t.Errorf("%s: the page posts %+v", name, said)
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

func TestLegacyStateIsCheckedBeforeTheCodeIsSpent(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, state := br.begin(b.bridge())
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
		if said := answer.posted(t); answer.StatusCode != 403 || said.failure() != "invalid_state" || said.token() != "" {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.visible())
		}
	}
	if calls := b.coder.seen("/oauth2/tokens"); len(calls) != 0 {
		t.Fatalf("Coder was asked %d times", len(calls))
	}
	if said := br.get(callback).posted(t); said.token() == "" {
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

// TestFailedExchangeIsLoggedWithAHint makes log lines about failures, which TestMain searches for secrets, and checks
// that an operator learns enough from them.
func TestFailedExchangeIsLoggedWithAHint(t *testing.T) {
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

// upstreamFailures are the ways in which the token endpoint can fail, with the answers of the legacy callback.
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

func TestCallbackUpstreamFailures(t *testing.T) {
	t.Parallel()
	b := both(t)
	impatient := b.impatient(t)
	for name, test := range upstreamFailures {
		t.Run(name, func(t *testing.T) {
			b.coder.set(func(f *fakeCoder) { f.token = test.token })
			br := b.browser(t)
			if test.status == http.StatusGatewayTimeout {
				br.b = impatient
			}
			answer := br.get("/oauth/callback?code=x" + url.QueryEscape(name))
			if answer.StatusCode != test.status || !strings.Contains(answer.visible(), test.says) || !strings.HasPrefix(answer.visible(), "Backstage Authentication failed ") {
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

func TestCallbackIsLimitedInTimeAndSize(t *testing.T) {
	t.Parallel()
	b := both(t).impatient(t)
	for name, hook := range map[string]func(http.ResponseWriter, *http.Request) bool{"size": huge, "time": neverEnds} {
		b.coder.set(func(f *fakeCoder) { f.token = hook })
		if answer := b.browser(t).get("/oauth/callback?code=x" + name); answer.StatusCode < 502 || answer.posted(t).token() != "" {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
	}
}

func TestOnlyAStringIsAToken(t *testing.T) {
	b := both(t)
	b.coder.set(func(f *fakeCoder) { f.token = failing(200, `{"access_token":{"nested":["`+accessPrefix+`"]}}`) })
	answer := b.browser(t).get("/oauth/callback?code=x")
	if answer.StatusCode != 502 || strings.Contains(answer.body, "object Object") || answer.posted(t).token() != "" {
		t.Errorf("status %d: %s", answer.StatusCode, answer.visible())
	}
}

func TestCancelIsShownAndPostedToTheOpener(t *testing.T) {
	b := both(t)
	for query, want := range map[string]string{
		"error=access_denied&error_description=Call+this+number&state=x": "cancelled or denied",
		"error=access_denied": "cancelled or denied",
		"error=server_error":  "server_error",
		"error=%3Cscript%3E&error_description=%22%3E%3Cimg%20src=x%3E%00%0a": "unknown_error",
	} {
		answer := b.browser(t).get("/oauth/callback?" + query)
		said := answer.posted(t)
		if answer.StatusCode != 400 || !strings.Contains(answer.visible(), want) || strings.Contains(answer.body, "Missing authorization code") {
			t.Errorf("%s: status %d: %s", query, answer.StatusCode, answer.visible())
		}
		if said.Messages[0].Data.Type != "coder-oauth-error" || said.failure() == "" || !strings.HasPrefix(said.to(), appURL) {
			t.Errorf("%s: the opener gets %+v", query, said)
		}
		if strings.Contains(answer.body, "<img") || strings.Contains(answer.body, "Call") {
			t.Errorf("%s: a link's text gets through", query)
		}
	}
}

func TestCodeTakesPrecedenceOverAnError(t *testing.T) {
	b := both(t)
	for _, query := range []string{"&error=access_denied", "&state=", "&state=" + strings.TrimRight(legacyState, "=")} {
		if said := b.browser(t).get("/oauth/callback?code=" + b.coder.code("") + query).posted(t); said.token() == "" {
			t.Errorf("%s: the opener gets %q", query, said.failure())
		}
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
		if answer.StatusCode != 502 && answer.StatusCode != 403 || answer.posted(t).token() != "" {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.visible())
		}
	}
}
