package backstageauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/backstageauth"
)

const (
	missing      = "AuthenticationError: Missing credentials"
	illegal      = "AuthenticationError: Illegal token"
	failedUser   = "AuthenticationError: Failed user token verification"
	failedPlugin = "AuthenticationError: Failed plugin token verification"
)

func TestCallersWithoutCredentialsAreRefused(t *testing.T) {
	n, _, _ := newNode(t)
	g := newGate(t, n.URL, "")
	for name, headers := range map[string][]string{
		"nothing":           nil,
		"an empty header":   {"Authorization: "},
		"no token":          {"Authorization: Bearer"},
		"spaces":            {"Authorization: Bearer   "},
		"two tokens":        {"Authorization: Bearer a b"},
		"a tab":             {"Authorization: Bearer\ta"},
		"another scheme":    {"Authorization: Basic dXNlcjpwYXNzd29yZA=="},
		"a token by itself": {"Authorization: " + newKey(t, "").user(nil)},
		"two headers":       {"Authorization: Basic eA==", "Authorization: Bearer x"}, // the first one counts, as for Node
		"a cookie":          {"Cookie: backstage-auth=x"},
	} {
		g.expect(name, g.get("/x", headers...), http.StatusUnauthorized, missing)
	}
	want := `{"error":{"name":"AuthenticationError","message":"Missing credentials"},"request":{"method":"GET","url":"/x?a=b"},"response":{"statusCode":401}}`
	if got := g.get("/x?a=b"); got.all != want || got.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%s, want %s", got.all, want)
	}
	g.expect("no JWT", g.as("abc"), http.StatusUnauthorized, illegal)
	if asked := n.asked(); asked != nil {
		t.Errorf("keys were asked for: %q", asked)
	}
}

func TestUsersAndServicesPass(t *testing.T) {
	n, auth, catalog := newNode(t)
	g := newGate(t, n.URL, "externalAccess: [{type: static, options: {token: a-static-token, subject: ci}}]")
	for name, test := range map[string]struct{ header, want string }{
		"a user":                       {"Bearer " + auth.user(nil), "user user:default/jane"},
		"lower case":                   {"bearer " + auth.user(nil), "user user:default/jane"},
		"many spaces":                  {"BEARER    " + auth.user(nil), "user user:default/jane"},
		"an older user token":          {"Bearer " + auth.sign(object{"typ": nil}, with(validity(), object{"sub": "user:default/old", "aud": "backstage"})), "user user:default/old"},
		"a plugin":                     {"Bearer " + catalog.plugin(nil), "service plugin:catalog"},
		"a plugin for several":         {"Bearer " + catalog.plugin(object{"aud": []string{"x", "todo"}}), "service plugin:catalog"},
		"a plugin on behalf of a user": {"Bearer " + catalog.plugin(object{"obo": auth.limited(nil)}), "user user:default/jane by plugin:catalog"},
		"a static token":               {"Bearer a-static-token", "service ci"},
	} {
		got := g.get("/", "Authorization: "+test.header)
		g.expect(name, got, http.StatusOK, test.want)
		if want := test.want + "; " + test.want + ", <nil>"; got.all != want {
			t.Errorf("%s: %s, want %s", name, got.all, want)
		}
	}
	if asked := n.asked(); len(asked) != 2 {
		t.Errorf("asked for %q, want the keys of both issuers once", asked)
	}
}

func TestLimitedTokensNeedAPathThatAllowsThem(t *testing.T) {
	n, auth, _ := newNode(t)
	g := newGate(t, n.URL, "", func(b *backstageauth.Barrier) { b.Allow("/docs", backstageauth.UserCookie) })
	limited, whole := auth.limited(nil), auth.user(nil)
	const refused = "AuthenticationError: Illegal limited user token"
	g.expect("a limited token", g.get("/", "Authorization: Bearer "+limited), http.StatusUnauthorized, refused)
	g.expect("a cookie", g.get("/", "Cookie: backstage-auth="+limited), http.StatusUnauthorized, missing)
	g.expect("a limited token where cookies may be", g.get("/docs/x", "Authorization: Bearer "+limited), http.StatusOK, "user user:default/jane")
	g.expect("a cookie where it may be", g.get("/docs", "Cookie: a=b; backstage-auth="+limited), http.StatusOK, "user user:default/jane")
	g.expect("a whole token in the cookie", g.get("/docs", "Cookie: backstage-auth="+whole), http.StatusOK, "user user:default/jane")
	g.expect("the header comes first", g.get("/docs", "Cookie: backstage-auth="+limited, "Authorization: Bearer x"), http.StatusUnauthorized, illegal)
	g.expect("neither", g.get("/docs"), http.StatusUnauthorized, missing)
	g.expect("a dead cookie", g.get("/docs", "Cookie: backstage-auth="+auth.limited(object{"exp": born - 1})), http.StatusUnauthorized, failedUser)
	g.expect("a way out of the path", g.get("/docs/..%2fx", "Cookie: backstage-auth="+limited), http.StatusUnauthorized, missing)
}

func TestOpenPathsAreForEverybody(t *testing.T) {
	n, auth, _ := newNode(t)
	g := newGate(t, n.URL, "", func(b *backstageauth.Barrier) {
		b.Allow("/open", backstageauth.Unauthenticated)
		b.Allow("/hooks/:id", backstageauth.Unauthenticated)
	})
	for path, open := range map[string]bool{
		"/open": true, "/open/": true, "/OPEN/a?b=c": true, "/open/a/b": true, "/hooks/1": true, "/hooks/a%2Fb": true,
		"/": false, "/opener": false, "/x/open": false, "/open%2Fx": false, "//open": false, "/hooks": false, "/hooks/": false,
		"/open/../x": false, "/open/..%2fx": false, "/open/%2e%2e/x": false, "/open/..%5cx": false, "/hooks/..%2Fx": false, "/hooks//x": false,
	} {
		status, want := http.StatusOK, "none"
		if !open {
			status, want = http.StatusUnauthorized, missing
		}
		g.expect(path, g.get(path), status, want)
	}
	if got := g.get("/open", "Authorization: Bearer "+auth.user(nil)).all; got != "none; user user:default/jane, <nil>" {
		t.Errorf("asked on an open path: %s", got)
	}
	if got := g.get("/open", "Authorization: Bearer abc").all; got != "none; none, AuthenticationError: Illegal token" {
		t.Errorf("asked on an open path, with a wrong token: %s", got)
	}
}

func TestPolicyThatCannotBeReadStopsThePlugin(t *testing.T) {
	b := new(backstageauth.Barrier)
	b.Allow("/a(", backstageauth.Unauthenticated)
	b.Allow("/b", 0)
	err := b.Err()
	if err == nil || !strings.Contains(err.Error(), `auth policy of the path "/a("`) || !strings.Contains(err.Error(), `auth policy of the path "/b": 0 is none`) {
		t.Errorf("%v", err)
	}
}

func TestDefaultPolicyCanBeDisabled(t *testing.T) {
	n, auth, _ := newNode(t)
	g := newGate(t, n.URL, "dangerouslyDisableDefaultAuthPolicy: true")
	if got := g.get("/").all; got != "none; none, <nil>" {
		t.Errorf("nobody: %s", got)
	}
	if got := g.as(auth.user(nil)).all; got != "none; user user:default/jane, <nil>" {
		t.Errorf("a user: %s", got)
	}
	if got := g.as("abc").all; got != "none; none, AuthenticationError: Illegal token" {
		t.Errorf("a wrong token: %s", got)
	}
	g.use("")
	g.expect("after a reload", g.get("/"), http.StatusUnauthorized, missing)
}

func TestPrincipalsOfOtherKindsAreRefused(t *testing.T) {
	for _, test := range []struct {
		p    backstageauth.Principal
		want string
	}{
		{backstageauth.Principal{}, "AuthenticationError: Missing credentials"},
		{backstageauth.Principal{Kind: backstageauth.Service}, "NotAllowedError: This endpoint does not allow 'service' credentials"},
		{backstageauth.Principal{Kind: backstageauth.User}, ""},
	} {
		got := ""
		if err := test.p.Require(backstageauth.User); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%v: %q, want %q", test.p, got, test.want)
		}
	}
}
