package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTokenRules(t *testing.T) {
	now := newClock()
	o := options()
	o.Now = now.now
	s := open(t, o)
	endpoint := s.CoderURL() + "/oauth2/tokens"
	fresh := func() url.Values { return tokenForm(allow(t, s, "dana", ask())) }
	basic := func(id, secret string) []string {
		r, _ := http.NewRequest("GET", "/", nil)
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
		return append([]string{"Authorization", r.Header.Get("Authorization")}, form...)
	}
	for name, test := range map[string]struct {
		form    url.Values
		query   string
		headers []string
		status  int
		want    string
	}{
		"post": {fresh(), "", form, 200, `"token_type":"Bearer"`},
		"basic": {
			with(fresh(), "client_id", "", "client_secret", ""), "", basic("backstage", testSecret), 200,
			`"refresh_token":"coder_`,
		},
		"both, and equal": {fresh(), "", basic("backstage", testSecret), 200, "access_token"},
		"both, and different": {
			fresh(), "", basic("backstage", "other"), 400, `Conflicting client credentials`,
		},
		"wrong secret": {
			with(fresh(), "client_secret", "x"), "", form, 401, `The client credentials are invalid`,
		},
		"wrong basic secret": {
			with(fresh(), "client_id", "", "client_secret", ""), "", basic("backstage", "x"), 401, "invalid_client",
		},
		"unknown client": {with(fresh(), "client_id", "x"), "", form, 401, "invalid_client"},
		"no client":      {with(fresh(), "client_id", ""), "", form, 400, "Missing client_id parameter"},
		"no secret": {
			with(fresh(), "client_secret", ""), "", form, 400, "Missing required parameter: client_secret",
		},
		"no code": {with(fresh(), "code", ""), "", form, 400, "Missing required parameter: code"},
		"no refresh token": {
			with(refreshForm("x"), "refresh_token", ""), "", form, 400, "Missing required parameter: refresh_token",
		},
		"no grant type": {with(fresh(), "grant_type", ""), "", form, 400, "unsupported_grant_type"},
		"password grant": {
			with(fresh(), "grant_type", "password"), "", form, 400, "unsupported_grant_type",
		},
		"unknown field": {
			with(fresh(), "access_type", "offline"), "", form, 400, `"error":"invalid_request"`,
		},
		"secret in the query": {fresh(), "?client_secret=" + testSecret, form, 400, "not in the URL"},
		"client ID in the query": {
			with(fresh(), "client_id", ""), "?client_id=backstage", form, 200, "access_token",
		},
		"JSON": {
			fresh(), "", []string{"Content-Type", "application/json"}, 400, `"error":"invalid_request"`,
		},
		"made-up code": {
			with(fresh(), "code", "coder_a_b"), "", form, 400, `The authorization code is invalid or expired`,
		},
		"wrong verifier": {
			with(fresh(), "code_verifier", strings.Repeat("x", 43)), "", form, 400, `The PKCE code verifier is invalid`,
		},
		"no verifier": {
			with(fresh(), "code_verifier", ""), "", form, 400, "The PKCE code verifier is invalid",
		},
		"foreign redirect URI": {
			with(fresh(), "redirect_uri", "https://evil.example/"), "", form, 400, `"error":"invalid_request"`,
		},
		"other redirect URI": {
			with(fresh(), "redirect_uri", strings.Replace(callback, "handler/frame", "oauth/callback", 1)), "", form,
			400, `"error":"invalid_grant"`,
		},
		"redirect URI left out": {with(fresh(), "redirect_uri", ""), "", form, 400, `"error":"invalid_grant"`},
		"made-up refresh token": {
			refreshForm("coder_a_b"), "", form, 400, `The refresh token is invalid or expired`,
		},
		"refresh without a secret": {
			with(refreshForm("coder_a_b"), "client_secret", ""), "", form, 400, "client_secret",
		},
		"body too large": {
			url.Values{"code": {strings.Repeat("x", 70<<10)}}, "", form, 400, `"error":"invalid_request"`,
		},
	} {
		if test.form.Get("grant_type") == "authorization_code" && test.form.Has("code") && name != "made-up code" {
			test.form.Set("code", allow(t, s, "dana", ask())) // the newest code alone is good
		}
		got := send(t, "POST", endpoint+test.query, test.form.Encode(), test.headers...)
		if !got.is(test.status, test.want) {
			t.Errorf("%s: %d %s, want %d %s", name, got.status, got.body, test.status, test.want)
		}
		if wa := got.header.Get("WWW-Authenticate"); (wa == `Basic realm="coder"`) != (test.status == 401) {
			t.Errorf("%s: WWW-Authenticate %q", name, wa)
		}
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: may be stored", name)
		}
		if strings.Contains(got.body, testSecret) {
			t.Errorf("%s: the secret is in the answer", name)
		}
	}
	if got := send(t, "GET", endpoint, ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", got.status)
	}

	spent := fresh()
	exchange(t, s, spent)
	if got := post(t, s, spent); !got.is(400, "invalid_grant") {
		t.Errorf("a code used twice: %d %s", got.status, got.body)
	}
	failed := fresh()
	post(t, s, with(failed, "code_verifier", strings.Repeat("x", 43)))
	if got := post(t, s, failed); got.status != 400 {
		t.Errorf("a code that was tried with a wrong verifier: %d", got.status)
	}
	replaced := fresh()
	fresh()
	if got := post(t, s, replaced); got.status != 400 {
		t.Errorf("a code that a newer one has replaced: %d", got.status)
	}
	late := fresh()
	now.add(10*time.Minute + time.Second)
	if got := post(t, s, late); !got.is(400, "invalid_grant") {
		t.Errorf("an expired code: %d %s", got.status, got.body)
	}
}
