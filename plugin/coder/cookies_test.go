package coder

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

func TestCookiesOfACustomCallbackAreSentBack(t *testing.T) {
	coder := newFakeCoder(t)
	var base string
	b := start(t, coder, func(at string) string {
		base = at
		return config(at, coder.URL, fmt.Sprintf("auth: {providers: {coder: {development: {clientId: backstage, clientSecret: %q, deploymentUrl: %q, callbackUrl: '%s/api/auth/custom/return'}}}}",
			clientSecret, coder.URL, at))
	})
	answer := b.browser(t).get("/start?env=development")
	for _, c := range answer.Cookies() {
		if c.MaxAge > 0 && c.Path != "/api/auth/custom/return" {
			t.Errorf("%s has path %s, where the callback %s is not", c.Name, c.Path, base+"/api/auth/custom/return")
		}
	}
	e := b.handler.(*handler).environments["development"]
	if path := e.app.policy(b.handler.(*handler).settings.mount, "").sessionPath; path != "/api/auth/coder" {
		t.Errorf("the refresh token has path %s, where /refresh is not", path)
	}
}

func testPolicy(callback, appOrigin string) cookiePolicy {
	app := application{Application: upstream.Application{CallbackURL: callback}}
	return app.policy("https://backend.example/api/auth/coder", appOrigin)
}

func TestCookiePolicy(t *testing.T) {
	const usual = "https://backend.example/api/auth/coder/handler/frame"
	tests := map[string]struct {
		callback, origin string
		want             cookiePolicy
	}{
		"another host": {usual, "https://app.example", cookiePolicy{"backend.example", "/api/auth/coder", "/api/auth/coder/handler", "/api/auth/coder", true, http.SameSiteNoneMode}},
		"same host":    {usual, "https://backend.example:3000", cookiePolicy{"backend.example", "/api/auth/coder", "/api/auth/coder/handler", "/api/auth/coder", true, http.SameSiteLaxMode}},
		"plain http":   {"http://backend.example/sub/api/auth/coder/handler/frame", "https://app.example", cookiePolicy{"backend.example", "/sub/api/auth/coder", "/sub/api/auth/coder/handler", "/sub/api/auth/coder", false, http.SameSiteLaxMode}},
		"custom":       {"https://backend.example/custom/return", "https://app.example", cookiePolicy{"backend.example", "/api/auth/coder", "/custom/return", "/custom/return", true, http.SameSiteNoneMode}},
		"odd origin":   {usual, "null", cookiePolicy{"backend.example", "/api/auth/coder", "/api/auth/coder/handler", "/api/auth/coder", true, http.SameSiteNoneMode}},
	}
	for name, test := range tests {
		if diff := cmp.Diff(test.want, testPolicy(test.callback, test.origin), cmp.AllowUnexported(cookiePolicy{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestCookieLines has what Backstage's OAuthCookieManager writes, in its order.
func TestCookieLines(t *testing.T) {
	policy := testPolicy("http://localhost/api/auth/coder/handler/frame", "http://localhost:3000")
	a, b := strings.Repeat("a", maxCookie), strings.Repeat("b", 10)
	tests := map[string]struct {
		sent, value string
		want        []string
	}{
		"short":                {"", "x y", []string{"r=; 0; D", "r=x%20y; 60"}},
		"just fits":            {"", a, []string{"r=; 0; D", "r=" + a + "; 60"}},
		"two chunks":           {"", a + b, []string{"r=; 0; D", "r-0=" + a + "; 60", "r-1=" + b + "; 60"}},
		"from single to more":  {"r=old", a + b, []string{"r=; 0; D", "r=; 0", "r-0=" + a + "; 60", "r-1=" + b + "; 60"}},
		"from more to single":  {"r-0=x; r-1=y", "z", []string{"r=; 0; D", "r-0=; 0; D", "r-1=; 0; D", "r-0=; 0", "r-1=; 0", "r=z; 60"}},
		"from more to more":    {"r-0=x; r-1=y; r-3=gap", a + b, []string{"r=; 0; D", "r-0=; 0; D", "r-1=; 0; D", "r-0=; 0", "r-1=; 0", "r-0=" + a + "; 60", "r-1=" + b + "; 60"}},
		"quotes, not escaped":  {"", `!'()*~"`, []string{"r=; 0; D", "r=!'()*~%22; 60"}},
		"both forms were sent": {"r=x; r-0=y", "z", []string{"r=; 0; D", "r-0=; 0; D", "r-0=; 0", "r=z; 60"}},
	}
	for name, test := range tests {
		j := &cookieJar{cookies: express.ParseCookies([]string{test.sent}), header: http.Header{}, policy: policy, plain: policy}
		j.set("r", test.value, policy.sessionPath, time.Minute)
		var got []string
		for _, line := range j.header["Set-Cookie"] {
			parts := strings.Split(line, "; ")
			short := parts[0] + "; " + strings.TrimPrefix(parts[1], "Max-Age=")
			if strings.Contains(line, "; Domain=localhost; Path=/api/auth/coder; Expires=") {
				short += "; D"
			}
			if !strings.HasSuffix(line, "; HttpOnly; SameSite=Lax") || !strings.Contains(line, "; Path=/api/auth/coder; Expires=") {
				t.Errorf("%s: %s", name, line)
			}
			got = append(got, short)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCookiesInChunks(t *testing.T) {
	for sent, want := range map[string]string{
		"r=single":                        "single",
		"r=single; r-0=a; r-1=b; r-3=gap": "ab",
		"r-1=b":                           "",
	} {
		if got := cookies(express.ParseCookies([]string{sent})).get("r"); got != want {
			t.Errorf("%s: %q, want %q", sent, got, want)
		}
	}
}
