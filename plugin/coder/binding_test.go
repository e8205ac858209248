package coder

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

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
