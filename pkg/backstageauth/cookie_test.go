package backstageauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/backstageauth"
)

const cookiePath = "/.backstage/auth/v1/cookie"

func TestUsersGetACookieWithALimitedToken(t *testing.T) {
	n, auth, catalog := newNode(t)
	g := newGate(t, n.URL, "", func(b *backstageauth.Barrier) { b.Allow("/docs", backstageauth.UserCookie) })
	whole := auth.user(nil)
	got := g.get(cookiePath, "Authorization: Bearer "+whole)
	expires := time.Unix(born+3600, 0).UTC()
	if want := `{"expiresAt":"` + expires.Format("2006-01-02T15:04:05.000Z") + `"}`; got.status != http.StatusOK || got.all != want {
		t.Errorf("%d %s, want %s", got.status, got.all, want)
	}
	line := got.header.Get("Set-Cookie")
	value, rest, _ := strings.Cut(strings.TrimPrefix(line, "backstage-auth="), ";")
	want := " Domain=localhost; Path=/; Expires=" + expires.Format(http.TimeFormat) + "; HttpOnly; Secure; Priority=High; SameSite=None"
	if rest != want {
		t.Errorf("Set-Cookie: %s, want %s", rest, want)
	}
	if value == "" || value == whole || len(value) >= len(whole) {
		t.Errorf("the token is %s", value)
	}
	g.expect("the cookie", g.get("/docs", "Cookie: backstage-auth="+value), http.StatusOK, "user user:default/jane")

	again := g.get(cookiePath, "Authorization: Bearer "+whole, "Cookie: backstage-auth="+value)
	if again.status != http.StatusOK || again.header.Get("Set-Cookie") != "" || again.all != got.all {
		t.Errorf("with a cookie: %+v", again)
	}
	for name, old := range map[string]string{
		"of somebody else":   auth.limited(object{"sub": "user:default/other"}),
		"that expires soon":  auth.limited(object{"exp": born + 240}),
		"that is none":       "x",
		"of another backend": newKey(t, auth.id).limited(nil),
	} {
		if a := g.get(cookiePath, "Authorization: Bearer "+whole, "Cookie: backstage-auth="+old); a.header.Get("Set-Cookie") != line {
			t.Errorf("a cookie %s: %+v", name, a)
		}
	}
	behalf := catalog.plugin(object{"obo": value})
	if a := g.get(cookiePath, "Authorization: Bearer "+behalf); a.header.Get("Set-Cookie") != line {
		t.Errorf("a plugin on behalf of the user: %+v", a)
	}
}

func TestCookieIsForUsersAlone(t *testing.T) {
	n, auth, catalog := newNode(t)
	g := newGate(t, n.URL, "", func(b *backstageauth.Barrier) { b.Allow("/.backstage", backstageauth.UserCookie) })
	for name, test := range map[string]struct {
		header string
		status int
		want   string
	}{
		"nobody":             {"X: y", http.StatusUnauthorized, missing},
		"a plugin":           {"Authorization: Bearer " + catalog.plugin(nil), http.StatusForbidden, "NotAllowedError: This endpoint does not allow 'service' credentials"},
		"a cookie by itself": {"Cookie: backstage-auth=" + auth.limited(nil), http.StatusUnauthorized, missing},
		"no proof in it":     {"Authorization: Bearer " + auth.user(object{"uip": nil}), http.StatusUnauthorized, "AuthenticationError: Failed to create limited user token, missing user identity proof"},
	} {
		got := g.get(cookiePath, test.header)
		g.expect(name, got, test.status, test.want)
		if got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s got a cookie", name)
		}
	}
	g.expect("a proof of somebody else", g.get(cookiePath, "Authorization: Bearer "+auth.user(nil)+"x"), http.StatusUnauthorized, failedUser)
	open := newGate(t, n.URL, "dangerouslyDisableDefaultAuthPolicy: true")
	open.expect("nobody, without the policy", open.get(cookiePath), http.StatusUnauthorized, missing)
}

func TestCookieIsTakenAway(t *testing.T) {
	n, auth, _ := newNode(t)
	g := newGate(t, n.URL, "")
	got := g.send(http.MethodDelete, cookiePath, "Authorization: Bearer "+auth.user(nil))
	want := "backstage-auth=; Domain=localhost; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; Priority=High; SameSite=None"
	if got.status != http.StatusNoContent || got.header.Get("Set-Cookie") != want {
		t.Errorf("%d %q, want %q", got.status, got.header.Get("Set-Cookie"), want)
	}
	g.expect("nobody", g.send(http.MethodDelete, cookiePath), http.StatusUnauthorized, missing)
	g.expect("another method", g.send(http.MethodPost, cookiePath, "Authorization: Bearer "+auth.user(nil)), http.StatusOK, "user user:default/jane")
}
