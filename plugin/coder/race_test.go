package coder

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// cookiesOf returns what a browser would send to a path now.
func (br *browser) cookiesOf(path string) string {
	request, _ := http.NewRequest(http.MethodGet, br.b.URL+"/api/auth/coder"+path, http.NoBody)
	var pairs []string
	for _, c := range br.Jar.Cookies(request.URL) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// replica is another backend with the same address and keys.
func (b *backend) replica(t testing.TB, oauth string) *backend {
	t.Helper()
	return start(t, b.coder, func(string) string {
		return strings.Replace(config(b.URL, b.coder.URL, providers(b.coder.URL)), "oauth: {", "oauth: {"+oauth, 1)
	})
}

// gate makes a hook that says when it is reached and waits to go on.
func gate() (hook func(http.ResponseWriter, *http.Request) bool, reached, open chan struct{}) {
	reached, open = make(chan struct{}, 100), make(chan struct{})
	return func(http.ResponseWriter, *http.Request) bool {
		reached <- struct{}{}
		<-open
		return false
	}, reached, open
}

func TestRefreshThatLostTheRaceKeepsTheSession(t *testing.T) {
	b := rotating(t)
	other := b.replica(t, "rotateAfter: '0s', ")
	br := b.browser(t)
	br.signIn("development")
	late := br.cookiesOf("/refresh") // a second tab's request, held up
	if answer := br.refresh("development"); answer.StatusCode != 200 {
		t.Fatalf("the winner: status %d", answer.StatusCode)
	}
	loser := other.browser(t)
	answer := loser.refresh("development", "Cookie", late)
	if answer.StatusCode != 401 || len(answer.Header["Set-Cookie"]) != 0 {
		t.Errorf("the loser: status %d, it sets %q", answer.StatusCode, answer.Header["Set-Cookie"])
	}
	if answer := br.refresh("development"); answer.StatusCode != 200 {
		t.Errorf("the session is over: status %d", answer.StatusCode)
	}
}

func accessToken(t testing.TB, answer response) (token string, expires float64) {
	t.Helper()
	var got struct {
		ProviderInfo struct {
			AccessToken      string
			ExpiresInSeconds float64
		}
	}
	if answer.StatusCode != 200 || json.Unmarshal([]byte(answer.body), &got) != nil {
		t.Fatalf("status %d: %s", answer.StatusCode, answer.body)
	}
	return got.ProviderInfo.AccessToken, got.ProviderInfo.ExpiresInSeconds
}

func TestYoungAccessTokenIsGivenAgain(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	first := br.signIn("development").token()
	asked := len(b.coder.seen("/oauth2/tokens"))
	for range 3 {
		answer := br.refresh("development")
		token, expires := accessToken(t, answer)
		if token != first || expires > 3600 || expires < 3500 || len(answer.Header["Set-Cookie"]) != 0 {
			t.Errorf("got %s for %v seconds, and %q", token, expires, answer.Header["Set-Cookie"])
		}
	}
	if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 0 {
		t.Errorf("%d rotations", n)
	}
	for scopes, rotates := range map[string]bool{"": false, "&scope=more": true} {
		before, _ := accessToken(t, br.refresh("development"))
		if after, _ := accessToken(t, br.refresh("development"+scopes)); (after != before) != rotates {
			t.Errorf("scopes %q: %s after %s", scopes, after, before)
		}
	}
	// What was asked for is kept with the token, whoever asked.
	for _, scopes := range []string{"&scope=more", ""} {
		before, _ := accessToken(t, br.refresh("development"))
		if after, _ := accessToken(t, br.refresh("development"+scopes)); after != before {
			t.Errorf("scopes %q, asked for before: %s after %s", scopes, after, before)
		}
	}
	callback, _ := br.begin("/start?env=staging&scope=x")
	first = br.get(callback).posted(t).token()
	for _, scopes := range []string{"", "&scope=x", "&scope=b,x"} {
		if token, _ := accessToken(t, br.refresh("staging"+scopes)); token != first {
			t.Errorf("scopes %q of the sign-in: %s after %s", scopes, token, first)
		}
	}
}

func TestOnlyA401OfTheProfileSpendsTheRefreshToken(t *testing.T) {
	b := both(t)
	impatient := b.replica(t, "timeout: 200ms, ")
	for status, hook := range map[int]func(http.ResponseWriter, *http.Request) bool{
		401: failing(401, "{}"), 403: failing(403, "{}"), 429: failing(429, "{}"), 500: failing(500, "{}"), 504: silent,
	} {
		b.coder.set(func(f *fakeCoder) { f.me = nil })
		br := b.browser(t)
		br.signIn("development")
		br.b = impatient
		session, asked := br.cookiesOf("/refresh"), len(b.coder.seen("/oauth2/tokens"))
		b.coder.set(func(f *fakeCoder) { f.me = hook })
		want := 502
		switch status {
		case 401, 504:
			want = status
		}
		if answer := br.refresh("development"); answer.StatusCode != want {
			t.Errorf("%d: status %d: %s", status, answer.StatusCode, answer.body)
		}
		if n := len(b.coder.seen("/oauth2/tokens")) - asked; (n != 0) != (status == 401) {
			t.Errorf("%d: %d rotations", status, n)
		}
		if (br.cookiesOf("/refresh") == session) == (status == 401) {
			t.Errorf("%d: the session", status)
		}
	}
}

func TestAccessTokenOpensOnlyWithItsBinding(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	all := map[string]string{}
	for pair := range strings.SplitSeq(br.cookiesOf("/refresh"), "; ") {
		name, _, _ := strings.Cut(pair, "=")
		all[name] = pair
	}
	other := b.browser(t)
	other.signIn("development")
	foreign := accessCookie + "=" + other.cookie("/refresh", accessCookie)
	for name, cookies := range map[string][]string{
		"no binding":              {all[refreshCookie], all[accessCookie]},
		"the old form of binding": {all[refreshCookie], all[accessCookie], all[oldBinding]},
		"another session's":       {all[refreshCookie], foreign, all[plainBinding]},
		"the binding of another":  {all[refreshCookie], all[accessCookie], plainBinding + "=" + other.cookie("/refresh", plainBinding)},
	} {
		asked := len(b.coder.seen("/oauth2/tokens"))
		answer := b.browser(t).refresh("development", "Cookie", strings.Join(cookies, "; "))
		if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 1 {
			t.Errorf("%s: the kept token was used: status %d, %d rotations", name, answer.StatusCode, n)
		}
		b.coder.set(func(f *fakeCoder) { f.refresh[strings.TrimPrefix(all[refreshCookie], refreshCookie+"=")] = true })
		for _, e := range b.handler.(*handler).environments {
			e.Forget(strings.TrimPrefix(all[refreshCookie], refreshCookie+"="))
		}
	}
}

func TestLongOrUndatedAccessTokenIsNotKept(t *testing.T) {
	b := both(t)
	for name, body := range map[string]string{
		"long":          `"access_token":"` + accessPrefix + strings.Repeat("x", 3000) + `","expires_in":3600`,
		"no life":       `"access_token":"` + accessPrefix + `1"`,
		"negative life": `"access_token":"` + accessPrefix + `1","expires_in":-1`,
	} {
		b.coder.set(func(f *fakeCoder) { f.token = failing(200, `{"refresh_token":"`+refreshPrefix+`1",`+body+`}`) })
		br := b.browser(t)
		for _, line := range br.signInPage("development").Header["Set-Cookie"] {
			if strings.HasPrefix(line, accessCookie) {
				t.Errorf("%s: %d bytes", name, len(line))
			}
		}
		if br.cookie("/refresh", refreshCookie) == "" {
			t.Errorf("%s: no session", name)
		}
	}
}

func TestLostKeyCostsOneRotation(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	other := start(t, b.coder, func(string) string {
		return strings.Replace(config(b.URL, b.coder.URL, providers(b.coder.URL)), "0123456789abcdef", "1123456789abcdef", 1)
	})
	br.b = other
	asked := len(b.coder.seen("/oauth2/tokens"))
	for range 3 {
		if answer := br.refresh("development"); answer.StatusCode != 200 {
			t.Errorf("status %d: %s", answer.StatusCode, answer.body)
		}
	}
	if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 1 {
		t.Errorf("%d rotations, want 1", n)
	}
}

func TestSignOutWinsOverARefreshUnderWay(t *testing.T) {
	b := rotating(t)
	br := b.browser(t)
	br.signIn("development")
	hook, reached, open := gate()
	b.coder.set(func(f *fakeCoder) { f.token = hook })
	session := br.cookiesOf("/refresh")
	done := make(chan response, 1)
	go func() { done <- b.browser(t).refresh("development", "Cookie", session) }()
	<-reached
	br.logout("development")
	close(open)
	answer := <-done
	if answer.StatusCode != 401 || len(answer.Header["Set-Cookie"]) != 0 {
		t.Errorf("the refresh: status %d, it sets %q", answer.StatusCode, answer.Header["Set-Cookie"])
	}
	revoked := b.coder.seen("/oauth2/revoke")
	if len(revoked) != 2 || revoked[1].form.Get("token") == revoked[0].form.Get("token") {
		t.Errorf("%d revocations: what the refresh brought is still alive", len(revoked))
	}
}

func TestSignOutWinsOverACallbackUnderWay(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development")
	later, _ := br.begin("/start?env=development")
	hook, reached, open := gate()
	b.coder.set(func(f *fakeCoder) { f.token = hook })
	sent := br.cookiesOf("/handler/frame")
	done := make(chan response, 1)
	go func() { done <- b.browser(t).get(callback, "Cookie", sent) }()
	<-reached
	br.logout("staging") // of another environment
	br.logout("development")
	close(open)
	answer := <-done
	if said := answer.posted(t); said.token() != "" || !strings.Contains(said.failure(), "signed out") || strings.Contains(strings.Join(answer.Header["Set-Cookie"], " "), refreshPrefix) {
		t.Errorf("the callback: %q, it sets %q", said.failure(), answer.Header["Set-Cookie"])
	}
	if n := len(b.coder.seen("/oauth2/revoke")); n != 1 {
		t.Errorf("%d revocations", n)
	}
	// The answer of a sign-in that is on its way to the browser.
	b.coder.set(func(f *fakeCoder) { f.token = nil })
	sent = br.cookiesOf("/handler/frame")
	if b.browser(t).get(later, "Cookie", sent).posted(t).token() == "" {
		t.Error("a sign-in that waited at Coder is refused")
	}
	br.logout("development")
	if n := len(b.coder.seen("/oauth2/revoke")); n != 2 {
		t.Errorf("%d revocations, want one more", n)
	}
	if br.signIn("development").token() == "" || br.refresh("development").StatusCode != 200 {
		t.Error("a sign-in that was begun after the sign-out")
	}
}

func TestPrefetchSpendsNothing(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	for _, begin := range []string{"/start?env=development", b.bridge()} {
		callback, _ := br.begin(begin)
		for name, value := range map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "Prefetch", "X-Moz": "prefetch", "X-Purpose": "preview"} {
			if answer := br.get(callback, name, value); answer.StatusCode != 503 || answer.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: status %d", name, answer.StatusCode)
			}
		}
		if n := len(b.coder.seen("/oauth2/tokens")); n != 0 {
			t.Fatalf("Coder was asked %d times", n)
		}
		if br.get(callback).posted(t).token() == "" {
			t.Error("the page itself")
		}
		b.coder.set(func(f *fakeCoder) { f.calls = nil })
	}
}

func TestOneCallbackTwiceAtOnceIsOneExchange(t *testing.T) {
	b := both(t)
	for _, begin := range []string{"/start?env=development", b.bridge()} {
		br := b.browser(t)
		callback, _ := br.begin(begin)
		hook, reached, open := gate()
		b.coder.set(func(f *fakeCoder) { f.token, f.calls = hook, nil })
		sent := br.cookiesOf("/handler/frame")
		// The first one's client goes away.
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			request, _ := http.NewRequestWithContext(ctx, http.MethodGet, callback, http.NoBody)
			request.Header.Set("Cookie", sent)
			answer, err := b.browser(t).Do(request)
			if err == nil {
				_ = answer.Body.Close()
			}
			gone <- err
		}()
		<-reached
		done := make(chan response, 3)
		for range 2 {
			go func() { done <- b.browser(t).get(callback, "Cookie", sent) }()
		}
		leave()
		<-gone
		close(open)
		done <- b.browser(t).get(callback, "Cookie", sent) // and one that comes a moment later
		tokens := map[string]int{}
		for range 3 {
			tokens[(<-done).posted(t).token()]++
		}
		if len(tokens) != 1 || tokens[""] != 0 || len(b.coder.seen("/oauth2/tokens")) != 1 {
			t.Errorf("%s: tokens %v after %d exchanges", begin, tokens, len(b.coder.seen("/oauth2/tokens")))
		}
		// Without the cookie nobody gets anything, and another code of this state is never sent.
		if token := b.browser(t).get(callback).posted(t).token(); token != "" {
			t.Errorf("%s: without a cookie: %s", begin, token)
		}
		if token := b.browser(t).get(strings.Replace(callback, "code=", "code=x", 1), "Cookie", sent).posted(t).token(); token != "" || len(b.coder.seen("/oauth2/tokens")) != 1 {
			t.Errorf("%s: another code: %s", begin, token)
		}
	}
}

func TestLegacyCallbackTwiceSaysThatItWasUsed(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback := "/oauth/callback?code=" + b.coder.code("") + "&state=" + legacyState
	bridged, _ := br.begin(b.bridge())
	for _, callback := range []string{callback, bridged} {
		if br.get(callback).posted(t).token() == "" {
			t.Fatal("the first time")
		}
		asked := len(b.coder.seen("/oauth2/tokens"))
		answer := br.get(callback)
		if answer.StatusCode != 403 || answer.posted(t).token() != "" || !strings.Contains(answer.visible(), "used already. Please start again") {
			t.Errorf("status %d: %s", answer.StatusCode, answer.visible())
		}
		if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 0 {
			t.Errorf("Coder was asked again")
		}
	}
}

func TestCallbackThatMadeTheSessionSaysSo(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development")
	deep := appURL + "/deep"
	redirecting, _ := br.begin("/start?env=development&flow=redirect&redirectUrl=" + deep)
	for _, to := range []string{callback, redirecting} {
		br.get(to)
		b.coder.set(func(f *fakeCoder) { f.calls = nil })
		for range 2 {
			answer := br.get(to)
			if to == redirecting {
				if answer.StatusCode != 302 || answer.Header.Get("Location") != deep {
					t.Errorf("status %d to %s", answer.StatusCode, answer.Header.Get("Location"))
				}
			} else if answer.StatusCode != 200 || !strings.Contains(answer.visible(), "You are signed in") || strings.Contains(answer.body, accessPrefix) || strings.Contains(answer.body, "authorization_response") {
				t.Errorf("status %d: %s", answer.StatusCode, answer.body)
			}
			br.refresh("development") // which may rotate
		}
		if n := len(b.coder.seen("/oauth2/tokens")); n != 0 {
			t.Errorf("Coder was asked %d times", n)
		}
	}
	// Another state, another browser, another environment: having a session proves nothing.
	if said := br.get(callback).posted(t); said.failure() != "NotAllowedError: Invalid nonce" {
		t.Errorf("the state of an older session: %q", said.failure())
	}
	stranger := b.browser(t)
	stranger.signIn("development")
	if answer := stranger.get(redirecting); answer.Header.Get("Location") == deep {
		t.Error("another browser's state is taken for one's own")
	}
	if said := br.get(strings.Replace(callback, "?", "?env=staging&", 1)).posted(t); said.failure() == "" {
		t.Error("another environment")
	}
}

func TestRedirectFlowAlwaysLeadsBack(t *testing.T) {
	b := both(t)
	deep := "http://app.example:3000/deep?a=b"
	start := "/start?env=development&flow=redirect&redirectUrl=http%3A%2F%2Fapp.example%3A3000%2Fdeep%3Fa%3Db"
	at := func(answer response, text string) {
		t.Helper()
		to := answer.Header.Get("Location")
		if answer.StatusCode != 302 || !strings.HasPrefix(to, deep+"&error=") || !strings.Contains(to, strings.ReplaceAll(text, " ", "+")) {
			t.Errorf("%s: status %d to %q", text, answer.StatusCode, to)
		}
	}
	br := b.browser(t)
	used, state := br.begin(start)
	br.get(used)
	br.signIn("development")
	at(br.get(used), "Invalid nonce")
	at(b.browser(t).get(used), "Auth response is missing cookie nonce")
	at(b.browser(t).get("/handler/frame?error=access_denied&error_description=Call+me&state="+state), "Auth response is missing")
	other, _ := br.begin(start)
	at(br.get(strings.Replace(other, "?", "?env=staging&", 1)), "belongs to another environment")
	at(br.get(strings.Replace(other, "?", "?env=gone&", 1)), "environment of this sign-in is not configured")
	forged := func(fields ...string) string {
		state, _ := newState(append([]string{"env", "development", "flow", "redirect"}, fields...)...)
		return "/handler/frame?code=x&error=Call&error_description=me&state=" + state
	}
	if to := br.get(forged("redirectUrl", deep, "origin", "https://evil.example")).Header.Get("Location"); !strings.HasPrefix(to, deep) || strings.Contains(to, "evil") || strings.Contains(to, "Call") {
		t.Errorf("a state that somebody made up: to %q", to)
	}
	for _, target := range []string{"https://evil.example/", "javascript:alert(1)", "//evil.example", ""} {
		answer := br.get(forged("redirectUrl", target))
		if answer.Header.Get("Location") != "" || !strings.Contains(answer.body, `href="`+appURL) || !strings.Contains(answer.body, "Start again") {
			t.Errorf("target %q: status %d to %q", target, answer.StatusCode, answer.Header.Get("Location"))
		}
		if strings.Contains(answer.body, "evil.example") {
			t.Errorf("target %q is kept: %s", target, answer.body)
		}
	}
	// A refusal without a state has no deep link any more.
	br = b.browser(t)
	br.begin(start + "&origin=https://other.example")
	if to := br.get("/handler/frame?error=access_denied").Header.Get("Location"); !strings.HasPrefix(to, "https://other.example/?error=Authentication+rejected") {
		t.Errorf("without a state: to %q", to)
	}
}

func TestRefreshTokenOfTheBindingIsUsed(t *testing.T) {
	b := rotating(t)
	br := b.browser(t)
	foreign := refreshCookie + "=" + refreshPrefix + "foreign"
	// In each round the session's cookies stand among others: of a parent domain, or another path.
	for name, mix := range map[string]func(own string) string{
		"before":           func(own string) string { return foreign + "; " + own },
		"after":            func(own string) string { return own + "; " + foreign },
		"chunks before":    func(own string) string { return refreshCookie + "-0=x; " + refreshCookie + "-1=y; " + own },
		"foreign bindings": func(own string) string { return foreign + "; " + oldBinding + "=x; " + plainBinding + "=y; " + own },
	} {
		br.signIn("development")
		b.coder.set(func(f *fakeCoder) { f.calls = nil })
		answer := br.refresh("development", "Cookie", mix(br.cookiesOf("/refresh")))
		if answer.StatusCode != 200 {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.body)
		}
		for _, c := range b.coder.seen("/oauth2/tokens") {
			if !strings.HasPrefix(c.form.Get("refresh_token"), refreshPrefix) || strings.Contains(c.form.Get("refresh_token"), "foreign") {
				t.Errorf("%s: a foreign token was sent", name)
			}
		}
	}
	// A long token in chunks, beside a whole one and beside chunks of another number.
	long := strings.Repeat("l", 2*maxCookie+5)
	cut := cookies{
		refreshCookie: {"foreign"}, refreshCookie + "-0": {"other0", long[:maxCookie]}, refreshCookie + "-1": {"other1", long[maxCookie : 2*maxCookie]},
		refreshCookie + "-2": {long[2*maxCookie:]},
	}
	sum := sha256.Sum256([]byte(long))
	var s session
	if !s.openBinding(sum[:], cut.all(refreshCookie)) || s.refresh != long {
		t.Error("a token in chunks is not found")
	}
}

func TestTokensWithoutABindingCanBeRefused(t *testing.T) {
	b := both(t)
	strict := b.replica(t, "requireBinding: true, ")
	br := strict.browser(t)
	b.coder.set(func(f *fakeCoder) { f.refresh[refreshPrefix+"node"] = true })
	if answer := br.refresh("development", "Cookie", refreshCookie+"="+refreshPrefix+"node"); answer.StatusCode != 401 || len(b.coder.seen("/oauth2/tokens")) != 0 {
		t.Errorf("status %d", answer.StatusCode)
	}
	br.b = b
	br.signIn("development")
	br.b = strict
	if answer := br.refresh("development"); answer.StatusCode != 200 {
		t.Errorf("a bound one: status %d", answer.StatusCode)
	}
}

func TestRefreshChecksOrigin(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	for origin, want := range map[string]int{"https://evil.example": 403, "null": 403, "": 200, appURL: 200, "https://pr-1.preview.example": 200} {
		if answer := br.refresh("development", "Origin", origin); answer.StatusCode != want {
			t.Errorf("%q: status %d", origin, answer.StatusCode)
		}
	}
}

func TestLegacySuccessIsNotClaimedIfPatternsAllowTheApp(t *testing.T) {
	b := both(t) // its configuration has a pattern
	br := b.browser(t)
	callback, _ := br.begin(b.bridge())
	answer := br.get(callback)
	said := answer.posted(t)
	if strings.Contains(answer.visible(), "successful") || !strings.Contains(answer.visible(), "experimentalExtraAllowedOrigins") || said.Close == 0 && said.token() == "" {
		t.Errorf("the page says %s", answer.visible())
	}
	if to := said.to(); to != appURL+" https://other.example" {
		t.Errorf("posted to %s", to)
	}
	if b.logs.FilterMessageSnippet("did not say which app").Len() != 1 || b.logs.FilterMessage("OAuth authentication successful").Len() != 0 {
		t.Error("the log")
	}
	callback, _ = br.begin(b.bridge(), "Referer", "https://pr-1.preview.example/x")
	if answer := br.get(callback); !strings.Contains(answer.visible(), "successful") {
		t.Errorf("with a Referer: %s", answer.visible())
	}
}

// oldSession returns a browser's cookies for a session as the release before would make and read it.
func oldSession(h *handler, e *environment, token string) string {
	sum := sha256.Sum256([]byte(token))
	return fmt.Sprintf("%s=%s; %s=%s", refreshCookie, token, "coder-refresh-state", h.ring.Seal(sum[:], "coder-refresh-state\n"+e.name+"\n"+e.app.Deployment+"\n"+e.app.ClientID))
}

// TestSessionsLastThroughAChangeOfTheRelease: the release before reads and writes two cookies. A browser goes from it to
// this one and back, as among replicas of both.
func TestSessionsLastThroughAChangeOfTheRelease(t *testing.T) {
	for _, base := range []string{"http", "https"} {
		coder := newFakeCoder(t)
		b := start(t, coder, func(at string) string {
			return strings.Replace(config(strings.Replace(at, "http", base, 1), coder.URL, providers(coder.URL)), "oauth: {", "oauth: {rotateAfter: '0s', ", 1)
		})
		h := b.handler.(*handler)
		for _, env := range []string{"development", "staging"} {
			e := h.environments[env]
			token := refreshPrefix + "old-" + env
			coder.set(func(f *fakeCoder) { f.refresh[token] = true })
			sent := map[string]string{}
			read := func(line string) {
				for pair := range strings.SplitSeq(line, "; ") {
					name, value, _ := strings.Cut(pair, "=")
					sent[name] = value
				}
			}
			read(oldSession(h, e, token))
			for round := range 4 {
				var pairs []string
				for name, value := range sent {
					pairs = append(pairs, name+"="+value)
				}
				answer := b.browser(t).refresh(env, "Cookie", strings.Join(pairs, "; "))
				if answer.StatusCode != 200 {
					t.Fatalf("%s, %s, round %d: status %d: %s", base, env, round, answer.StatusCode, answer.body)
				}
				for _, line := range answer.Header["Set-Cookie"] {
					if !strings.Contains(line, "Max-Age=0") {
						read(strings.SplitN(line, "; ", 2)[0])
					}
				}
				if _, prefixed := sent["__Host-coder-refresh-state"]; prefixed != (base == "https") {
					t.Errorf("%s: the binding's prefix: %t", base, prefixed)
				}
				// What the release before would make of it: the binding is the token's hash, nothing more.
				bound, err := h.ring.Open(sent[oldBinding], e.binding())
				if sum := sha256.Sum256([]byte(sent[refreshCookie])); err != nil || string(bound) != string(sum[:]) {
					t.Errorf("%s, %s, round %d: the release before refuses the session: %v", base, env, round, err)
				}
				// There it is renewed, and both cookies are written.
				token = fmt.Sprintf("%sreplica-%s-%d", refreshPrefix, env, round)
				coder.set(func(f *fakeCoder) { f.refresh[token] = true })
				read(oldSession(h, e, token))
			}
		}
	}
}

func TestManyTabsAndOneSignOut(t *testing.T) {
	b := rotating(t)
	br := b.browser(t)
	br.signIn("development")
	session := br.cookiesOf("/refresh")
	var tabs sync.WaitGroup
	for range 8 {
		tabs.Go(func() { b.browser(t).refresh("development", "Cookie", session) })
	}
	br.logout("development")
	tabs.Wait()
	alive := 0
	revoked := map[string]bool{}
	for _, c := range b.coder.seen("/oauth2/revoke") {
		revoked[c.form.Get("token")] = true
	}
	b.coder.set(func(f *fakeCoder) {
		for token := range f.refresh {
			if !revoked[token] {
				alive++
			}
		}
	})
	if alive != 0 {
		t.Errorf("%d sessions outlive the sign-out", alive)
	}
}
