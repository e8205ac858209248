//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/understudy-host/understudy/plugin/coder/sandbox"
)

// protocol is one of the two ways to sign in, with its button on the demo page.
type protocol struct{ name, button string }

var protocols = []protocol{
	{"current", "#sign-in"},
	{"legacy, through the bridge", "#sign-in-legacy"},
}

const (
	signedIn  = `document.body.dataset.state === 'signed-in'`
	signedOut = `document.body.dataset.state === 'signed-out'`
	listed    = signedIn + ` && document.querySelector('#workspaces').ariaBusy === 'false'`
)

// What `make run` shows works from the first click to the last, without a complaint of the browser.
func TestDemo(t *testing.T) {
	for _, way := range protocols {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := makeRun(t, freePorts)
			page := newProfile(t).open(s.demo)
			page.wait(signedOut)

			page.click(way.button)
			popup := page.popup()
			popup.click("#user-lin")
			popup.click("#allow")
			page.wait(listed)
			popup.closed()
			popup.clean()

			if got := page.text("#user-email"); !strings.HasPrefix(got, "lin@") {
				t.Errorf("signed in as %q, want the user who was chosen", got)
			}
			if got := get[int](page, `document.querySelectorAll('#workspaces tbody tr').length`); got == 0 {
				t.Error("there are no workspaces")
			}
			if got := get[string](page, `location.href`); got != s.demo+"/" {
				t.Errorf("the page is at %s", got)
			}
			page.clean()
		})
	}
}

// A session of the current protocol outlives the page, since it is in the refresh cookie.
func TestDemoSession(t *testing.T) {
	t.Parallel()
	s := makeRun(t, freePorts)
	page := newProfile(t).open(s.demo)
	page.click("#sign-in")
	page.popup().click("#allow")
	page.wait(listed)

	page.do(chromedp.Reload())
	page.wait(listed)
	if got := page.text("#status"); got != "Session restored." {
		t.Errorf("after a reload the page says %q", got)
	}
	page.click("#refresh")
	page.wait(listed + ` && document.querySelector('#status').textContent.startsWith('Session refreshed')`)
	page.click("#sign-out")
	page.wait(signedOut)
	page.do(chromedp.Reload())
	page.wait(signedOut)
	if got := page.text("#status"); got != "Not signed in." {
		t.Errorf("after a sign-out and a reload the page says %q", got)
	}
	page.clean()
}

// The whole life of the Coder page, with nothing between the browser and the host: what the page shows of Coder comes
// through the host's own proxy, before and after a refresh, and no more after the sign-out.
func TestLifeOfTheCoderPage(t *testing.T) {
	t.Parallel()
	s := makeRun(t, freePorts)
	page := newProfile(t).open(s.demo)
	page.click("#sign-in")
	page.popup().click("#allow")
	page.wait(listed)
	const (
		requests = `performance.getEntriesByType('resource').map(e => e.name).filter(name => name.includes('/api/v2/'))`
		rows     = `document.querySelectorAll('#workspaces tbody tr').length`
	)
	through := s.backend + "/api/proxy/coder/api/v2/workspaces?q=owner:me&limit=0"
	expect := func(when string, many int) {
		t.Helper()
		got := get[[]string](page, requests)
		if len(got) != many || slices.ContainsFunc(got, func(url string) bool { return url != through }) {
			t.Errorf("%s the page has asked for %q, want %d times %s", when, got, many, through)
		}
	}
	expect("after the sign-in", 1)
	first := get[int](page, rows)
	page.click("#refresh")
	page.wait(listed + ` && document.querySelector('#status').textContent.startsWith('Session refreshed')`)
	expect("after the refresh", 2)
	if again := get[int](page, rows); first == 0 || again != first {
		t.Errorf("%d workspaces, and %d after the refresh", first, again)
	}
	log := s.log.Wait(t, `"GET /api/proxy/coder/api/v2/workspaces`)
	if strings.Contains(log, "/coder-api") {
		t.Error("the page has another way to Coder")
	}
	page.click("#sign-out")
	page.wait(signedOut)
	expect("after the sign-out", 2)
	if ok := get[bool](page, `fetch('`+through+`').then(answer => answer.status === 401)`); !ok {
		t.Error("Coder answers without a token")
	}
}

// A legacy frontend keeps its token itself, and forgets it at the sign-out.
func TestDemoLegacySession(t *testing.T) {
	t.Parallel()
	s := makeRun(t, freePorts)
	page := newProfile(t).open(s.demo)
	page.click("#sign-in-legacy")
	page.popup().click("#allow")
	page.wait(listed)
	page.click("#sign-out")
	page.wait(signedOut)
	page.clean()
}

// Cancel at Coder ends the sign-in, and the page shows the reason, with all versions of Coder.
func TestDemoCancel(t *testing.T) {
	for _, way := range protocols {
		for name, stateless := range map[string]bool{"with the state": false, "without the state": true} {
			t.Run(way.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := start(t, setup{sandbox: func(o *sandbox.Options) { o.CancelWithoutState = stateless }})
				page := newProfile(t).open(s.demo)
				page.click(way.button)
				popup := page.popup()
				popup.click("#cancel")
				page.wait(signedOut + ` && !document.querySelector('#error').hidden`)
				if got := page.text("#error"); !strings.Contains(got, "denied") || !stateless && !strings.Contains(got, "resource owner") {
					t.Errorf("the page says %q, which is not the reason", got)
				}
				if got := get[string](page, `'#' + document.activeElement.id`); got != way.button {
					t.Errorf("the keyboard goes on at %s, want the button again", got)
				}
				if len(s.tokens()) > 0 {
					t.Error("a token was issued")
				}
			})
		}
	}
}

// Two tabs sign in at once as different users, and do not disturb each other.
func TestDemoTwoTabs(t *testing.T) {
	for _, way := range protocols {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := makeRun(t, freePorts)
			browser := newProfile(t)
			one, two := browser.open(s.demo), browser.open(s.demo)
			one.click(way.button)
			first := one.popup()
			two.click(way.button)
			second := two.popup()
			second.click("#user-lin")
			first.click("#allow")
			second.click("#allow")
			one.wait(listed)
			two.wait(listed)
			if a, b := one.text("#user-name"), two.text("#user-name"); a == b {
				t.Errorf("both tabs are signed in as %s", a)
			}
			for _, page := range []*tab{one, two, first, second} {
				page.clean()
			}
		})
	}
}
