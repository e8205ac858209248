package sandbox

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestAuthorizeRules(t *testing.T) {
	s := open(t, options())
	o := options()
	o.PKCEOptional = true
	lenient := open(t, o)
	for name, test := range map[string]struct {
		query   url.Values
		lenient bool
		status  int
		page    string // in the page, or in the error of the redirect
	}{
		"consent":         {ask(), false, 200, "Authorize Backstage"},
		"no method":       {ask("code_challenge_method", ""), false, 200, "Allow"},
		"no redirect URI": {ask("redirect_uri", ""), false, 200, "Allow"},
		"another port on loopback": {
			ask("redirect_uri", "http://localhost:9/api/auth/coder/handler/frame"), false, 400, "must exactly match",
		},
		"scopes": {
			ask("scope", "workspace:read  coder:all"), false, 200, "workspace:read",
		},
		"no client": {
			ask("client_id", ""), false, 400, "Missing OAuth2 client ID.",
		},
		"unknown client": {ask("client_id", "<b>"), false, 404, "&lt;b&gt;"},
		"no PKCE": {
			ask("code_challenge", "", "code_challenge_method", ""), false, 400, "&#34;code_challenge&#34; is required and",
		},
		"no PKCE where optional": {
			ask("code_challenge", "", "code_challenge_method", ""), true, 200, "Allow",
		},
		"short challenge": {
			ask("code_challenge", "abc"), false, 400, "43 to 128 characters",
		},
		"short challenge, optional": {
			ask("code_challenge", "abc"), true, 400, "43 to 128 characters",
		},
		"unknown parameter": {
			ask("prompt", "none"), false, 400, "&#34;prompt&#34; is not a valid query param",
		},
		"no response type": {
			ask("response_type", ""), false, 400, "&#34;response_type&#34; is required",
		},
		"strange response type": {
			ask("response_type", "x"), false, 400, "&#34;x&#34; is not a valid value",
		},
		"foreign redirect URI": {
			ask("redirect_uri", "https://evil.example/"), false, 400, "must exactly match",
		},
		"longer redirect URI": {
			ask("redirect_uri", callback+"/x"), false, 400, "must exactly match",
		},
		"redirect URI with a query": {
			ask("redirect_uri", callback+"?a=b"), false, 400, "must exactly match",
		},
		"redirect URI in upper case": {
			ask("redirect_uri", strings.ToUpper(callback)), false, 400, "must exactly match",
		},
		"another loopback name": {
			ask("redirect_uri", strings.Replace(callback, "localhost", "127.0.0.1", 1)), false, 400, "must exactly match",
		},
		"https on loopback": {
			ask("redirect_uri", strings.Replace(callback, "http:", "https:", 1)), false, 400, "must exactly match",
		},
		"userinfo in redirect URI": {
			ask("redirect_uri", strings.Replace(callback, "localhost", "x@localhost", 1)), false, 400, "must exactly match",
		},
		"broken redirect URI": {
			ask("redirect_uri", "http://%zz"), false, 400, "must exactly match",
		},
		"implicit grant": {
			ask("response_type", "token"), false, 302, "unsupported_response_type",
		},
		"plain challenge": {
			ask("code_challenge_method", "plain"), false, 302, "invalid_request",
		},
		"unknown scope": {ask("scope", "openid"), false, 302, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			where := s
			if test.lenient {
				where = lenient
			}
			target := where.CoderURL() + "/oauth2/authorize?" + test.query.Encode()
			got := send(t, "GET", target, "")
			if got.status != test.status {
				t.Fatalf("GET: %d, want %d: %s", got.status, test.status, got.body)
			}
			post := send(t, "POST", target, "", form...)
			if test.status != 302 {
				if !strings.Contains(got.body, test.page) {
					t.Errorf("%q is not in the page: %s", test.page, got.body)
				}
				if want := map[int]int{200: 302}[test.status]; want != 0 && post.status != want {
					t.Errorf("POST: %d, want %d", post.status, want)
				} else if want == 0 && (post.status != test.status || post.header.Get("Location") != "") {
					t.Errorf("POST: %d to %q", post.status, post.header.Get("Location"))
				}
				return
			}
			for _, a := range []answer{got, post} {
				u, err := url.Parse(a.header.Get("Location"))
				if err != nil || a.status != 302 || !strings.HasPrefix(u.String(), callback+"?") {
					t.Fatalf("%d to %q", a.status, a.header.Get("Location"))
				}
				q := u.Query()
				if q.Get("error") != test.page || q.Get("state") != "a b&c" || q.Has("code") ||
					strings.ContainsAny(q.Get("error_description"), `"\`) {
					t.Errorf("redirected to %s", u)
				}
			}
		})
	}
}

func TestAllowRefusesOtherSites(t *testing.T) {
	s := open(t, options())
	target := s.CoderURL() + "/oauth2/authorize?" + ask().Encode()
	for name, headers := range map[string][]string{
		"cross-site":         {"Sec-Fetch-Site", "cross-site"},
		"same-site":          {"Sec-Fetch-Site", "same-site"}, // the demo app: another port
		"an older browser's": {"Origin", "http://localhost:3000"},
	} {
		if got := send(t, "POST", target, "", append(form, headers...)...); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := send(t, "POST", target, "", append(form, "Sec-Fetch-Site", "same-origin")...); got.status != 302 {
		t.Errorf("same-origin: %d", got.status)
	}
	if got := send(t, "POST", target, "user=mallory", form...); got.status != 400 {
		t.Errorf("a user that is none: %d", got.status)
	}
}

func TestCancel(t *testing.T) {
	for name, test := range map[string]struct {
		without bool
		want    string
	}{
		"newer": {false, callback + "?error=access_denied&error_description=The+resource+owner+or+" +
			"authorization+server+denied+the+request&state=a+b%26c"},
		"older": {true, callback + "?error=access_denied"},
	} {
		o := options()
		o.CancelWithoutState = test.without
		s := open(t, o)
		page := send(t, "GET", s.CoderURL()+"/oauth2/authorize?"+ask().Encode(), "").body
		page = html.UnescapeString(page)
		if want := `id="cancel" href="` + test.want + `"`; !strings.Contains(page, want) {
			t.Errorf("%s: %s is not in %s", name, want, page)
		}
	}
}
