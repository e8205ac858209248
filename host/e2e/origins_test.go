//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/plugin/coder/sandbox"
)

// foreignPage opens the URL in its fragment, and keeps every message that it gets.
const foreignPage = `<!doctype html><title>not the app</title><link rel="icon" href="data:,">
<button id="open">Open</button>
<script>
window.received = [];
window.addEventListener('message', event => received.push(event.data));
document.getElementById('open').onclick = () => open(decodeURIComponent(location.hash.slice(1)), '', 'popup,width=500,height=700');
</script>`

// A page that is not the app can open every popup that the app opens, but gets no token from any of them.
func TestForeignOpener(t *testing.T) {
	legacyState := base64.StdEncoding.EncodeToString([]byte(`{"returnTo":"/"}`))
	for name, o := range map[string]struct {
		url    string // BACKEND, CODER, APP and SELF are replaced
		issued bool   // whether Coder issues a token before the page is refused
	}{
		"the legacy flow at Coder itself": {
			"CODER/oauth2/authorize?client_id=" + clientID + "&redirect_uri=BACKEND/api/auth/coder/oauth/callback&response_type=code&state=" +
				url.QueryEscape(legacyState), true,
		},
		"the legacy flow without a state": {
			"CODER/oauth2/authorize?client_id=" + clientID + "&redirect_uri=BACKEND/api/auth/coder/oauth/callback&response_type=code", true,
		},
		"the bridge": {
			"BACKEND/api/auth/coder/oauth2/authorize?client_id=" + clientID +
				"&redirect_uri=BACKEND/api/auth/coder/oauth/callback&response_type=code&state=" + url.QueryEscape(legacyState), true,
		},
		"start with its own origin":   {"BACKEND/api/auth/coder/start?scope=&origin=SELF&flow=popup&env=development", false},
		"start with the app's origin": {"BACKEND/api/auth/coder/start?scope=&origin=APP&flow=popup&env=development", true},
		"start without an origin":     {"BACKEND/api/auth/coder/start?scope=&flow=popup&env=development", true},
		"start with a redirect to itself": {
			"BACKEND/api/auth/coder/start?scope=&origin=APP&flow=redirect&redirectUrl=SELF/&env=development", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			self := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = w.Write([]byte(foreignPage))
			}))
			s := start(t, setup{sandbox: func(o *sandbox.Options) { o.PKCEOptional = true }})
			target := strings.NewReplacer("BACKEND", s.backend, "CODER", s.coder, "APP", s.app, "SELF", self).Replace(o.url)
			page := newProfile(t).open(self + "/#" + url.QueryEscape(target))
			page.click("#open")
			popup := page.popup()
			popup.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
			if o.issued {
				popup.click("#allow")
				waitFor(t, func() string { return "a token\n" + popup.describe() }, func() bool { return len(s.tokens()) > 0 })
			}
			// The popup closes after its last message. One that stays open is made to post another message: messages
			// arrive in the order in which they were posted.
			done := fmt.Sprintf(`location.origin === %q && document.readyState === 'complete' && !opener.postMessage('done', '*')`, s.backend)
			waitFor(t, func() string { return "the popup's last word\n" + popup.describe() }, func() bool {
				popup.is(done)
				return popup.gone() || page.is(`received.includes('done')`)
			})
			messages := get[string](page, "JSON.stringify(received)")
			for _, token := range s.tokens() {
				if strings.Contains(messages, token) {
					t.Error("the foreign page got a token")
				}
			}
			if !o.issued && len(s.tokens()) > 0 {
				t.Error("a token was issued")
			}
		})
	}
}
