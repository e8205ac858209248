package coder

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestRefreshTokenIsNeverSentToAnotherEnvironment(t *testing.T) {
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

// TestSessionOfANodeBackendBelongsToTheMainEnvironment: a token without a binding was set by a Node backend, for the
// environment that the frontend uses.
func TestSessionOfANodeBackendBelongsToTheMainEnvironment(t *testing.T) {
	b := both(t)
	b.coder.set(func(f *fakeCoder) { f.refresh[refreshPrefix+"node"] = true })
	for env, status := range map[string]int{"staging": 401, "development": 200} {
		answer := b.browser(t).refresh(env, "Cookie", refreshCookie+"="+refreshPrefix+"node")
		if answer.StatusCode != status {
			t.Errorf("%s: status %d: %s", env, answer.StatusCode, answer.body)
		}
	}
}

func TestRotatedTokenIsKeptIfTheProfileFails(t *testing.T) {
	b := rotating(t)
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

func TestRefreshShowsNoDetailsOfCoder(t *testing.T) {
	b := rotating(t)
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

func TestRefreshDistinguishesTheEndOfASessionFromAnOutage(t *testing.T) {
	t.Parallel()
	b := rotating(t)
	impatient := b.impatient(t)
	for name, test := range upstreamFailures {
		br := b.browser(t)
		b.coder.set(func(f *fakeCoder) { f.token = nil })
		br.signIn("development")
		if test.status == http.StatusGatewayTimeout {
			br.b = impatient
		}
		b.coder.set(func(f *fakeCoder) { f.token = test.token })
		answer := br.refresh("development")
		status := test.status
		if name == "400 invalid_grant" || name == "401 invalid_client" || name == "403 HTML" {
			status = 401
		}
		if answer.StatusCode != status || !strings.Contains(answer.body, "Refresh failed; caused by Error: Failed to refresh access token, ") {
			t.Errorf("%s: status %d, want %d: %s", name, answer.StatusCode, status, answer.body)
		}
		if br.cookie("/refresh", refreshCookie) == "" {
			t.Errorf("%s: the cookie is gone", name)
		}
	}
}

func TestOddTokensAreNotPassedOn(t *testing.T) {
	b := both(t)
	b.coder.set(func(f *fakeCoder) { f.token = failing(200, `{"access_token":{"a":1},"refresh_token":"x"}`) })
	if said := b.browser(t).signIn("development"); said.token() != "" || said.failure() == "" {
		t.Errorf("an object as token: %+v", said)
	}
	b.coder.set(func(f *fakeCoder) { f.token, f.calls = nil, nil })
	b.browser(t).refresh("development", "Cookie", refreshCookie+`=j:{"a":1}`)
	if got := b.coder.seen("/oauth2/tokens")[0].form.Get("refresh_token"); got != `j:{"a":1}` {
		t.Errorf("a j: cookie is sent as %q", got)
	}
}

func TestRefreshIsLimitedInTimeAndSize(t *testing.T) {
	t.Parallel()
	b := rotating(t)
	br := b.browser(t)
	br.signIn("development")
	br.b = b.impatient(t)
	for name, hook := range map[string]func(http.ResponseWriter, *http.Request) bool{"silent": silent, "endless": neverEnds, "huge": huge} {
		b.coder.set(func(f *fakeCoder) { f.token = hook })
		if answer := br.refresh("development"); answer.StatusCode < 502 {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
	}
}

func TestLogoutRevokesTheSessionAtCoder(t *testing.T) {
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

func TestTwoTabsRefreshAtOnce(t *testing.T) {
	b := rotating(t)
	br := b.browser(t)
	br.signIn("development")
	old := refreshCookie + "=" + br.cookie("/refresh", refreshCookie) + "; " + bindingCookie + "=" + br.cookie("/refresh", bindingCookie)
	asked := len(b.coder.seen("/oauth2/tokens"))
	var wg sync.WaitGroup
	tokens := make(chan string, 8)
	for range 8 {
		tab := b.browser(t) // with the cookies from before the refresh
		wg.Go(func() {
			answer := tab.refresh("development", "Cookie", old)
			tokens <- fmt.Sprint(answer.StatusCode, " ", tab.cookie("/refresh", refreshCookie))
		})
	}
	wg.Wait()
	close(tokens)
	first := ""
	for token := range tokens {
		if first == "" {
			first = token
		}
		if token != first || !strings.HasPrefix(token, "200 "+refreshPrefix) {
			t.Errorf("a tab got %q, another %q", token, first)
		}
	}
	if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 1 {
		t.Errorf("Coder was asked %d times", n)
	}
	br.logout("development") // with the old token: its renewal is forgotten
	if answer := b.browser(t).refresh("development", "Cookie", old); answer.StatusCode != 401 {
		t.Errorf("after logout: status %d", answer.StatusCode)
	}
}

func TestRefreshWithoutRotation(t *testing.T) {
	for name, omit := range map[string]bool{"the same token": false, "no token": true} {
		b := rotating(t)
		b.coder.set(func(f *fakeCoder) { f.rotate, f.noRotate = false, omit })
		br := b.browser(t)
		br.signIn("development")
		for range 3 {
			if answer := br.refresh("development"); answer.StatusCode != 200 || len(answer.Cookies()) != 0 {
				t.Errorf("%s: status %d, cookies %v", name, answer.StatusCode, answer.Cookies())
			}
		}
		if n := len(b.coder.seen("/oauth2/tokens")); n != 4 {
			t.Errorf("%s: Coder was asked %d times, want 4", name, n)
		}
	}
}
