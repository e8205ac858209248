package coder

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func accessToken(t testing.TB, answer response) (token string, expires float64) {
	t.Helper()
	var got struct {
		ProviderInfo struct {
			AccessToken      string
			ExpiresInSeconds float64
		}
	}
	if answer.StatusCode != 200 || json.Unmarshal([]byte(answer.body), &got) != nil {
		t.Fatalf("status %d: %s", answer.StatusCode, answer.body)
	}
	return got.ProviderInfo.AccessToken, got.ProviderInfo.ExpiresInSeconds
}

func TestYoungAccessTokenIsGivenAgain(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	first := br.signIn("development").token()
	asked := len(b.coder.seen("/oauth2/tokens"))
	for range 3 {
		answer := br.refresh("development")
		token, expires := accessToken(t, answer)
		if token != first || expires > 3600 || expires < 3500 || len(answer.Header["Set-Cookie"]) != 0 {
			t.Errorf("got %s for %v seconds, and %q", token, expires, answer.Header["Set-Cookie"])
		}
	}
	if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 0 {
		t.Errorf("%d rotations", n)
	}
	for scopes, rotates := range map[string]bool{"": false, "&scope=more": true} {
		before, _ := accessToken(t, br.refresh("development"))
		if after, _ := accessToken(t, br.refresh("development"+scopes)); (after != before) != rotates {
			t.Errorf("scopes %q: %s after %s", scopes, after, before)
		}
	}
	// What was asked for is kept with the token, whoever asked.
	for _, scopes := range []string{"&scope=more", ""} {
		before, _ := accessToken(t, br.refresh("development"))
		if after, _ := accessToken(t, br.refresh("development"+scopes)); after != before {
			t.Errorf("scopes %q, asked for before: %s after %s", scopes, after, before)
		}
	}
	callback, _ := br.begin("/start?env=staging&scope=x")
	first = br.get(callback).posted(t).token()
	for _, scopes := range []string{"", "&scope=x", "&scope=b,x"} {
		if token, _ := accessToken(t, br.refresh("staging"+scopes)); token != first {
			t.Errorf("scopes %q of the sign-in: %s after %s", scopes, token, first)
		}
	}
}

func TestOnlyA401OfTheProfileSpendsTheRefreshToken(t *testing.T) {
	b := both(t)
	impatient := b.replica(t, "timeout: 200ms, ")
	for status, hook := range map[int]func(http.ResponseWriter, *http.Request) bool{
		401: failing(401, "{}"), 403: failing(403, "{}"), 429: failing(429, "{}"), 500: failing(500, "{}"), 504: silent,
	} {
		b.coder.set(func(f *fakeCoder) { f.me = nil })
		br := b.browser(t)
		br.signIn("development")
		br.b = impatient
		session, asked := br.cookiesOf("/refresh"), len(b.coder.seen("/oauth2/tokens"))
		b.coder.set(func(f *fakeCoder) { f.me = hook })
		want := 502
		switch status {
		case 401, 504:
			want = status
		}
		if answer := br.refresh("development"); answer.StatusCode != want {
			t.Errorf("%d: status %d: %s", status, answer.StatusCode, answer.body)
		}
		if n := len(b.coder.seen("/oauth2/tokens")) - asked; (n != 0) != (status == 401) {
			t.Errorf("%d: %d rotations", status, n)
		}
		if (br.cookiesOf("/refresh") == session) == (status == 401) {
			t.Errorf("%d: the session", status)
		}
	}
}

func TestAccessTokenOpensOnlyWithItsBinding(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	all := map[string]string{}
	for pair := range strings.SplitSeq(br.cookiesOf("/refresh"), "; ") {
		name, _, _ := strings.Cut(pair, "=")
		all[name] = pair
	}
	other := b.browser(t)
	other.signIn("development")
	foreign := accessCookie + "=" + other.cookie("/refresh", accessCookie)
	for name, cookies := range map[string][]string{
		"no binding":              {all[refreshCookie], all[accessCookie]},
		"the old form of binding": {all[refreshCookie], all[accessCookie], all[oldBinding]},
		"another session's":       {all[refreshCookie], foreign, all[plainBinding]},
		"the binding of another":  {all[refreshCookie], all[accessCookie], plainBinding + "=" + other.cookie("/refresh", plainBinding)},
	} {
		asked := len(b.coder.seen("/oauth2/tokens"))
		answer := b.browser(t).refresh("development", "Cookie", strings.Join(cookies, "; "))
		if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 1 {
			t.Errorf("%s: the kept token was used: status %d, %d rotations", name, answer.StatusCode, n)
		}
		b.coder.set(func(f *fakeCoder) { f.refresh[strings.TrimPrefix(all[refreshCookie], refreshCookie+"=")] = true })
		for _, e := range b.handler.(*handler).environments {
			e.Forget(strings.TrimPrefix(all[refreshCookie], refreshCookie+"="))
		}
	}
}

func TestLongOrUndatedAccessTokenIsNotKept(t *testing.T) {
	b := both(t)
	for name, body := range map[string]string{
		"long":          `"access_token":"` + accessPrefix + strings.Repeat("x", 3000) + `","expires_in":3600`,
		"no life":       `"access_token":"` + accessPrefix + `1"`,
		"negative life": `"access_token":"` + accessPrefix + `1","expires_in":-1`,
	} {
		b.coder.set(func(f *fakeCoder) { f.token = failing(200, `{"refresh_token":"`+refreshPrefix+`1",`+body+`}`) })
		br := b.browser(t)
		for _, line := range br.signInPage("development").Header["Set-Cookie"] {
			if strings.HasPrefix(line, accessCookie) {
				t.Errorf("%s: %d bytes", name, len(line))
			}
		}
		if br.cookie("/refresh", refreshCookie) == "" {
			t.Errorf("%s: no session", name)
		}
	}
}

func TestLostKeyCostsOneRotation(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	other := start(t, b.coder, func(string) string {
		return strings.Replace(config(b.URL, b.coder.URL, providers(b.coder.URL)), "0123456789abcdef", "1123456789abcdef", 1)
	})
	br.b = other
	asked := len(b.coder.seen("/oauth2/tokens"))
	for range 3 {
		if answer := br.refresh("development"); answer.StatusCode != 200 {
			t.Errorf("status %d: %s", answer.StatusCode, answer.body)
		}
	}
	if n := len(b.coder.seen("/oauth2/tokens")) - asked; n != 1 {
		t.Errorf("%d rotations, want 1", n)
	}
}
