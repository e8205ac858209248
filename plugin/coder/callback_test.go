package coder

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

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
