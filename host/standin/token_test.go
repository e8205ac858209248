//go:build standin

package standin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
)

// who is the counterpart of Node's plugin caller: it says who calls it.
func who() plugin.Plugin {
	return plugin.Plugin{ID: "who", Path: "/who", New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
		env.Auth.Allow("/open", backstageauth.Unauthenticated)
		env.Auth.Allow("/cookie", backstageauth.UserCookie)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := env.Auth.Credentials(r)
			if err != nil {
				apierror.Write(w, r, r.URL.RequestURI(), err)
				return
			}
			_ = json.NewEncoder(w).Encode(principal(p))
		}), nil
	}}
}

// principal writes a principal as Backstage does.
func principal(p backstageauth.Principal) map[string]any {
	m := map[string]any{"type": p.Kind.String()}
	switch p.Kind {
	case backstageauth.User:
		m["userEntityRef"] = p.UserEntityRef
		if p.Actor != "" {
			m["actor"] = map[string]any{"type": "service", "subject": p.Actor}
		}
	case backstageauth.Service:
		m["subject"] = p.Subject
		if p.Restrictions != nil {
			m["accessRestrictions"] = map[string]any{
				"permissionNames": p.Restrictions.PermissionNames, "permissionAttributes": map[string]any{"action": p.Restrictions.Actions},
			}
		}
	}
	return m
}

// call sends a request with a header, "Name: value" or "", and returns the answer.
func (s *stack) call(method, url, header string) (status int, body map[string]any, cookie string) {
	s.t.Helper()
	r, _ := http.NewRequest(method, url, nil)
	if name, value, ok := strings.Cut(header, ": "); ok {
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := json.Unmarshal(data, &body); err != nil && len(data) > 0 {
		s.t.Fatalf("%s: %s", url, data)
	}
	if failure, ok := body["error"].(map[string]any); ok {
		delete(failure, "stack") // of Node in development
	}
	return answer.StatusCode, body, answer.Header.Get("Set-Cookie")
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// legacy signs a token with the secret of externalAccess.
func legacy(claims string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte("legacy-secret"))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// A plugin of Node and one of the host are called with the same credentials. What they see and what callers are told is
// the same, except that each issuer's tokens are Node's own.
func TestCallersAreTheSameAsInNode(t *testing.T) {
	s := newStack(t)
	guest := s.guestToken()
	at := strings.LastIndexByte(guest, '.') + 1
	parts := strings.Split(guest, ".")
	node, own := "http://"+s.node+"/api/caller", s.host.URL()+"/api/who"
	_, _, line := s.call(http.MethodGet, node+"/.backstage/auth/v1/cookie", bearer(guest))
	cookie, _, _ := strings.Cut(line, ";")
	limited := strings.TrimPrefix(cookie, "backstage-auth=")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"vnd.backstage.user","alg":"none"}`))
	for name, test := range map[string]struct{ path, header string }{
		"a guest":                     {"/", bearer(guest)},
		"a guest in lower case":       {"/", "Authorization: bearer  " + guest},
		"nobody":                      {"/", ""},
		"nobody, below":               {"/a/b?c=d", ""},
		"a tampered signature":        {"/", bearer(guest[:at] + strings.Repeat("A", len(guest)-at))},
		"tampered claims":             {"/", bearer(parts[0] + "." + strings.Repeat("A", len(parts[1])) + "." + parts[2])},
		"a shortened token":           {"/", bearer(guest[:at-2])},
		"no signature":                {"/", bearer(none + "." + parts[1] + ".")},
		"no token of anybody":         {"/", bearer("abc")},
		"another scheme":              {"/", "Authorization: Basic YTpi"},
		"a limited token":             {"/", bearer(limited)},
		"a cookie":                    {"/", "Cookie: " + cookie},
		"a cookie where it may be":    {"/cookie", "Cookie: " + cookie},
		"a tampered cookie":           {"/cookie", "Cookie: " + cookie + "A"},
		"an open path":                {"/open", ""},
		"an open path, a guest":       {"/open/x", bearer(guest)},
		"an open path, a wrong token": {"/open", bearer("abc")},
		"a static token":              {"/", bearer("a-static-token")},
		"a static token of others":    {"/", bearer("a-static-token-of-others")},
		"a restricted token":          {"/", bearer("a-restricted-token")},
		"a legacy token":              {"/", bearer(legacy(`{"sub":"backstage-server"}`))},
		"a legacy token of a user":    {"/", bearer(legacy(`{"sub":"user:default/guest"}`))},
		"the cookie's path, nobody":   {"/.backstage/auth/v1/cookie", ""},
		"the cookie's path, a cookie": {"/.backstage/auth/v1/cookie", "Cookie: " + cookie},
		"the cookie's path, a guest":  {"/.backstage/auth/v1/cookie", bearer(guest)},
		"the cookie's path, limited":  {"/.backstage/auth/v1/cookie", bearer(limited)},
		"the cookie's path, static":   {"/.backstage/auth/v1/cookie", bearer("a-static-token")},
	} {
		status, body, set := s.call(http.MethodGet, node+test.path, test.header)
		gotStatus, gotBody, gotSet := s.call(http.MethodGet, own+test.path, test.header)
		if diff := cmp.Diff([]any{status, body, set}, []any{gotStatus, gotBody, gotSet}); diff != "" {
			t.Errorf("%s: Node's plugin (-) and the host's (+):\n%s", name, diff)
		}
	}
	status, _, set := s.call(http.MethodDelete, node+"/.backstage/auth/v1/cookie", bearer(guest))
	gotStatus, _, gotSet := s.call(http.MethodDelete, own+"/.backstage/auth/v1/cookie", bearer(guest))
	if status != gotStatus || set != gotSet {
		t.Errorf("the cookie is taken away with %d %s, in Node with %d %s", gotStatus, gotSet, status, set)
	}
}

// A plugin of Node calls one of the host, by itself and on behalf of a user.
func TestPluginsOfNodeMayCallThoseOfTheHost(t *testing.T) {
	s := newStack(t)
	guest := s.guestToken()
	for query, want := range map[string]map[string]any{
		"?own=1": {"type": "service", "subject": "plugin:caller"},
		"":       {"type": "user", "userEntityRef": "user:development/guest", "actor": map[string]any{"type": "service", "subject": "plugin:caller"}},
	} {
		_, body, _ := s.call(http.MethodGet, "http://"+s.node+"/api/caller/token"+query, bearer(guest))
		issued, _ := body["token"].(string)
		status, got, _ := s.call(http.MethodGet, s.host.URL()+"/api/who/", bearer(issued))
		if diff := cmp.Diff(want, got); diff != "" || status != http.StatusOK {
			t.Errorf("%q: %d, want (-) and got (+):\n%s", query, status, diff)
		}
		at := strings.LastIndexByte(issued, '.') + 1
		status, got, _ = s.call(http.MethodGet, s.host.URL()+"/api/who/", bearer(issued[:at]+strings.Repeat("A", len(issued)-at)))
		failure, _ := got["error"].(map[string]any)
		if status != http.StatusUnauthorized || failure["message"] != "Failed plugin token verification" {
			t.Errorf("%q, tampered with: %d %v", query, status, got)
		}
	}
}

// The token is Node's: it is asked for through the host. Node forgets its keys when it restarts.
func TestGuestTokenOfNodeIsAcceptedAcrossARestart(t *testing.T) {
	s := newStack(t)
	url := s.host.URL() + "/api/who/"
	expect := func(what, token string, want int) {
		t.Helper()
		if status, body, _ := s.call(http.MethodGet, url, bearer(token)); status != want {
			t.Errorf("%s: %d %v, want %d", what, status, body, want)
		}
	}
	first := s.guestToken()
	expect("the token", first, http.StatusOK)
	expect("the token, tampered with", first[:len(first)-8]+"AAAAAAAA", http.StatusUnauthorized)
	s.kill()
	expect("the token while Node is down", first, http.StatusOK)
	s.start()
	second := s.guestToken()
	expect("a token of the new key", second, http.StatusOK)
	expect("the token of the old key", first, http.StatusUnauthorized)
}
