//go:build e2e

package e2e

import (
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/plugin/coder/sandbox"
)

// The legacy plugin signs in through the bridge, or directly at a Coder that does not require PKCE.
func TestLegacyClient(t *testing.T) {
	for name, direct := range map[string]bool{"through the bridge": false, "at Coder itself": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, localhost)
			s := start(t, setup{app: c.origin, sandbox: func(o *sandbox.Options) { o.PKCEOptional = direct }})
			if c.of(s); !direct {
				c.bridged()
			}
			page := newProfile(t).open(c.url)
			page.wait(signedOut)
			page.click("#sign-in-legacy")
			popup := page.popup()
			popup.click("#allow")
			page.wait(signedIn)
			popup.closed()
			popup.clean()
			page.clean(firstRefresh)
			if !s.works(page.dataset("token")) {
				t.Error("the token does not work")
			}
		})
	}
}

// A token is data, whatever characters it has.
func TestClientOddToken(t *testing.T) {
	const odd = `"'\</script><script>document.title='run'</script><!--`
	for _, button := range []string{"#sign-in", "#sign-in-legacy"} {
		t.Run(button, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, localhost)
			s := start(t, setup{
				app: c.origin, config: currentConfig,
				grant: func(answer map[string]any) { answer["access_token"] = answer["access_token"].(string) + odd },
				coder: func(r *http.Request) {
					r.Header.Set("Authorization", strings.TrimSuffix(r.Header.Get("Authorization"), odd))
				},
			})
			page := newProfile(t).open(c.of(s).bridged().url)
			page.wait(signedOut)
			page.click(button)
			if button == "#sign-in" {
				page.click("#log-in")
			}
			popup := page.popup()
			popup.click("#allow")
			page.wait(signedIn)
			if got := page.dataset("token"); !strings.HasSuffix(got, odd) || !s.works(got) {
				t.Error("the token did not arrive as it was")
			}
			popup.closed()
			popup.clean()
			page.clean(firstRefresh)
		})
	}
}

// A state in which one character was changed signs nobody in.
func TestClientTamperedState(t *testing.T) {
	for button, want := range map[string]string{"#sign-in": "Invalid nonce", "#sign-in-legacy": "This sign-in was not started in this browser"} {
		t.Run(button, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, localhost)
			s := start(t, setup{
				app: c.origin, config: currentConfig,
				coder: func(r *http.Request) {
					if r.URL.Path != "/oauth2/authorize" {
						return
					}
					query := r.URL.Query()
					state := query.Get("state")
					// Replaces the first letter of the nonce by another one.
					before, nonce, after := hex.EncodeToString([]byte("nonce=")), state[12:14], state[14:]
					other := hex.EncodeToString([]byte("A"))
					if nonce == other {
						other = hex.EncodeToString([]byte("B"))
					}
					if !strings.HasPrefix(state, before) {
						t.Error("the state does not begin with a nonce")
					}
					query.Set("state", before+other+after)
					r.URL.RawQuery = query.Encode()
				},
			})
			page := newProfile(t).open(c.of(s).bridged().url)
			page.wait(signedOut)
			page.click(button)
			if button == "#sign-in" {
				page.click("#log-in")
			}
			page.popup().click("#allow")
			page.wait("document.body.dataset.error")
			if got := page.dataset("error"); !strings.HasPrefix(got, want) {
				t.Errorf("the client says %q, want %q", got, want)
			}
			if len(s.tokens()) > 0 || page.dataset("token") != "" {
				t.Error("the code was spent")
			}
		})
	}
}
