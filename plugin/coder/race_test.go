package coder

import (
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

func TestSignOutWinsOverAKeptAccessToken(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	hook, reached, open := gate()
	b.coder.set(func(f *fakeCoder) { f.me, f.revoke = hook, failing(500, "{}") })
	session, asked := br.cookiesOf("/refresh"), len(b.coder.seen("/oauth2/tokens"))
	done := make(chan response, 1)
	go func() { done <- b.browser(t).refresh("development", "Cookie", session) }()
	<-reached
	br.logout("development") // Coder does not revoke anything
	close(open)
	if answer := <-done; answer.StatusCode != 401 || strings.Contains(answer.body, accessPrefix) {
		t.Errorf("the refresh under way: status %d: %s", answer.StatusCode, answer.body)
	}
	if answer := b.browser(t).refresh("development", "Cookie", session); answer.StatusCode != 401 {
		t.Errorf("a later one with the old cookies: status %d", answer.StatusCode)
	}
	if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 0 {
		t.Errorf("%d rotations", n)
	}
}
