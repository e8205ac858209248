//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/understudy-host/understudy/plugin/coder/sandbox"
)

// firstRefresh is the browser's message when Backstage's client looks for a session and there is none.
const firstRefresh = "network error: Failed to load resource: the server responded with a status of 401 (Unauthorized)"

// signIn presses the buttons that lead to Coder's consent page, and returns that.
func (tb *tab) signIn() *tab {
	tb.t.Helper()
	tb.wait(signedOut)
	tb.click("#sign-in")
	tb.click("#log-in")
	return tb.popup()
}

// dataset returns a value that the client shows on its page.
func (tb *tab) dataset(name string) string {
	tb.t.Helper()
	return get[string](tb, fmt.Sprintf("document.body.dataset[%q] ?? ''", name))
}

// rotating makes each refresh get new tokens.
const rotating = "coder:\n  oauth:\n    rotateAfter: 0s\n"

func TestClient(t *testing.T) {
	t.Parallel()
	c := newClient(t, localhost)
	s := start(t, setup{app: c.origin, config: currentConfig})
	browser := newProfile(t)
	page := browser.open(c.of(s).url)
	popup := page.signIn()
	popup.click("#user-lin")
	popup.click("#allow")
	page.wait(signedIn)
	popup.closed()
	popup.clean()
	if token := page.dataset("token"); !s.works(token) {
		t.Error("the client's token is not one of Coder's")
	}
	profile := page.dataset("profile")
	for _, want := range []string{`"displayName":"Lin`, `"email":"lin@`, `"picture":"` + s.coder} {
		if !strings.Contains(profile, want) {
			t.Errorf("the profile %s has no %s", profile, want)
		}
	}

	// A new token would end the one that other tabs have.
	before := page.dataset("token")
	page.do(chromedp.Reload())
	page.wait(signedIn)
	if after := page.dataset("token"); after != before || !s.works(after) {
		t.Error("a reload did not get the session's token again")
	}
	second := browser.open(c.url)
	second.wait(signedIn)
	if !s.works(before) || !s.works(second.dataset("token")) {
		t.Error("a second tab ended the first one's token")
	}
	if got := page.dataset("session"); got != "SignedIn" {
		t.Errorf("the session state after a reload is %s", got)
	}
	kept := page.dataset("token")
	page.click("#sign-out")
	page.wait(signedOut)
	if s.works(kept) {
		t.Error("the token still works after signing out")
	}
	page.do(chromedp.Reload())
	page.wait(signedOut)
	page.clean(firstRefresh)
}

// Hosts that share their session keys need nothing else of each other: each request may go to another host.
func TestClientReplicas(t *testing.T) {
	t.Parallel()
	c := newClient(t, localhost)
	s := start(t, setup{app: c.origin, replicas: 2, config: currentConfig + `
understudy:
  session:
    keys: [a-session-key-that-both-of-the-replicas-have]
`})
	for _, button := range []string{"#sign-in", "#sign-in-legacy"} {
		page := newProfile(t).open(c.of(s).bridged().url)
		page.wait(signedOut)
		page.click(button)
		if button == "#sign-in" {
			page.click("#log-in")
		}
		page.popup().click("#allow")
		page.wait(signedIn)
		if !s.works(page.dataset("token")) {
			t.Error("the client's token is not one of Coder's")
		}
		if button == "#sign-in" {
			for range 2 {
				page.do(chromedp.Reload())
				page.wait(signedIn)
			}
		}
	}
}

// A token with three minutes or less to live is renewed at each use.
func TestClientRenewsExpiringToken(t *testing.T) {
	t.Parallel()
	c := newClient(t, localhost)
	s := start(t, setup{app: c.origin, config: currentConfig + rotating, sandbox: func(o *sandbox.Options) { o.AccessTokenTTL = 2 * time.Minute }})
	page := newProfile(t).open(c.of(s).url)
	page.signIn().click("#allow")
	page.wait(signedIn)
	for range 2 {
		before := page.dataset("token")
		page.click("#token")
		page.wait(fmt.Sprintf("document.body.dataset.token !== %q", before))
		if token := page.dataset("token"); !s.works(token) {
			t.Fatal("the renewed token does not work")
		}
	}
	page.clean(firstRefresh)
}

// In Backstage's redirect flow there is no popup: the page itself goes to Coder and comes back.
func TestClientRedirectFlow(t *testing.T) {
	t.Parallel()
	c := newClient(t, localhost)
	s := start(t, setup{app: c.origin, config: currentConfig})
	c.of(s).values.Flow = "redirect"
	page := newProfile(t).open(c.url)
	page.wait(signedOut)
	page.click("#sign-in")
	page.click("#log-in")
	page.click("#cancel")
	page.wait("location.origin === '" + c.origin + "' && " + signedOut)
	if got := get[string](page, "new URLSearchParams(location.search).get('error') ?? ''"); !strings.HasPrefix(got, "Authentication rejected, ") {
		t.Errorf("after Cancel the page's URL says %q", got)
	}
	page.click("#sign-in")
	page.click("#log-in")
	page.click("#allow")
	page.wait("location.origin === '" + c.origin + "' && " + signedIn)
	if !s.works(page.dataset("token")) {
		t.Error("the client's token is not one of Coder's")
	}
	page.clean(firstRefresh)
}

func TestClientCancel(t *testing.T) {
	for name, stateless := range map[string]bool{"with the state": false, "without the state": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, localhost)
			s := start(t, setup{app: c.origin, config: currentConfig, sandbox: func(o *sandbox.Options) { o.CancelWithoutState = stateless }})
			page := newProfile(t).open(c.of(s).url)
			popup := page.signIn()
			popup.click("#cancel")
			page.wait("document.body.dataset.error")
			if got := page.dataset("error"); !strings.HasPrefix(got, "Authentication rejected, ") {
				t.Errorf("the client says %q", got)
			}
			popup.closed()
			popup.clean()

			// The request is still there, and the second attempt succeeds.
			page.click("#log-in")
			page.popup().click("#allow")
			page.wait(signedIn)
			page.clean(firstRefresh)
		})
	}
}

func TestClientPopupClosedByUser(t *testing.T) {
	t.Parallel()
	c := newClient(t, localhost)
	s := start(t, setup{app: c.origin, config: currentConfig})
	page := newProfile(t).open(c.of(s).url)
	popup := page.signIn()
	popup.wait("document.querySelector('#allow')")
	get[any](popup, "window.close()")
	page.wait("document.body.dataset.error === 'Login failed, popup was closed'")
	page.click("#reject")
	page.wait("document.body.dataset.error === 'Login failed, rejected by user'")
}

// If the app's origin is not allowed, the popup says so before it asks for consent.
func TestClientForeignOrigin(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(url string) string { return url })
	s := start(t, setup{config: currentConfig})
	page := newProfile(t).open(c.of(s).url)
	popup := page.signIn()
	popup.wait("document.body.textContent.includes('Origin \\'" + c.origin + "\\' is not allowed')")
	get[any](popup, "window.close()")
	page.wait("document.body.dataset.error === 'Login failed, popup was closed'")
	if len(s.tokens()) > 0 {
		t.Error("a token was issued")
	}
}

func TestClientTwoTabsSignIn(t *testing.T) {
	t.Parallel()
	c := newClient(t, localhost)
	s := start(t, setup{app: c.origin, config: currentConfig})
	browser := newProfile(t)
	one, two := browser.open(c.of(s).url), browser.open(c.url)
	first, second := one.signIn(), two.signIn()
	second.click("#user-lin")
	second.click("#allow")
	first.click("#allow")
	one.wait(signedIn)
	two.wait(signedIn)
	if !s.works(one.dataset("token")) || !s.works(two.dataset("token")) {
		t.Error("one of the two tokens does not work")
	}
	for _, page := range []*tab{one, two, first, second} {
		page.clean(firstRefresh)
	}
}

// Coder rotates refresh tokens. If two tabs refresh at once with the same token, one of them would lose its session if
// the backend did not give both the same answer.
//
// It runs alone: a browser that is held up sends the second request late enough to have the new cookie.
func TestClientTwoTabsRefresh(t *testing.T) {
	c := newClient(t, localhost)
	var gate sync.RWMutex // locked while Coder has to wait
	patient := currentConfig + rotating + "    timeout: 25s\n"
	s := start(t, setup{app: c.origin, config: patient, coder: func(r *http.Request) {
		if r.URL.Path == "/oauth2/tokens" {
			gate.RLock()
			defer gate.RUnlock()
		}
	}})
	browser := newProfile(t)
	one := browser.open(c.of(s).url)
	one.signIn().click("#allow")
	one.wait(signedIn)
	two := browser.open(c.url)
	two.wait(signedIn)

	// Chromium sends the second request after the first is answered, but with the cookie that was valid when the page
	// made the request: the old refresh token.
	gate.Lock()
	for _, page := range []*tab{one, two} {
		asked := page.requests("/refresh")
		page.do(chromedp.Reload())
		waitFor(t, page.describe, func() bool { return page.requests("/refresh") > asked })
	}
	gate.Unlock()
	one.wait(signedIn)
	two.wait(signedIn)
	for _, page := range []*tab{one, two} {
		if !s.works(page.dataset("token")) {
			t.Error("a tab has a token that does not work")
		}
	}
	for _, page := range []*tab{one, two} {
		page.do(chromedp.Reload())
		page.wait(signedIn)
		page.clean(firstRefresh)
	}
}
