package coder

import (
	"net/http"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/express"
)

func TestWithError(t *testing.T) {
	for target, want := range map[string]string{
		"/x": "/x?error=a+b%26",
		"https://x.example/?b=1&error=old&a=%20&error=x#f": "https://x.example/?b=1&error=a+b%26&a=+#f",
		"https://x.example": "https://x.example/?error=a+b%26",
	} {
		if got := withError(target, "a b&"); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
}

func TestErrorsRepeatNeitherCodeNorBody(t *testing.T) {
	b := both(t)
	answer := b.browser(t).get("/handler/frame?code=" + codePrefix + "x")
	if !strings.Contains(answer.body, `"url":"/coder/handler/frame?code=***"`) {
		t.Error(answer.body)
	}
	answer = b.browser(t).do("POST", "/refresh?env=development", strings.NewReader(`{"code":"`+codePrefix), "Content-Type", "application/json")
	if answer.StatusCode != 400 || !strings.Contains(answer.body, `{"name":"SyntaxError","message":"Unexpected end of JSON input","expose":true,"status":400,"statusCode":400,"type":"entity.parse.failed"}`) {
		t.Errorf("status %d: %s", answer.StatusCode, answer.body)
	}
}

func TestSessionAnswersAreNotStoredAndHEADSpendsNothing(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development")
	if answer := br.do("HEAD", callback, nil); answer.StatusCode != 200 || answer.Header.Get("Content-Type") != frameType || len(answer.Cookies()) != 0 {
		t.Errorf("HEAD on the frame: status %d, %v", answer.StatusCode, answer.Header)
	}
	page := br.get(callback)
	asked := len(b.coder.seen("/oauth2/tokens"))
	if answer := br.do("HEAD", "/refresh?env=development", nil, "X-Requested-With", "XMLHttpRequest"); answer.StatusCode != 200 || len(b.coder.seen("/oauth2/tokens")) != asked {
		t.Errorf("HEAD on refresh: status %d, %d requests", answer.StatusCode, len(b.coder.seen("/oauth2/tokens"))-asked)
	}
	for name, answer := range map[string]response{
		"frame": page, "refresh": br.refresh("development"),
		"GET refresh": br.get("/refresh?env=development", "X-Requested-With", "XMLHttpRequest"),
	} {
		if answer.StatusCode != 200 || answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("ETag") != "" || answer.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: status %d, %v", name, answer.StatusCode, answer.Header)
		}
	}
}

func TestTokenInAPageIsDataAndNeverScript(t *testing.T) {
	b := both(t)
	nasty := `a'b"c</script><img src=x onerror=alert(1)><!--` + accessPrefix
	b.coder.set(func(f *fakeCoder) {
		f.token = func(w http.ResponseWriter, _ *http.Request) bool {
			answer(w, 200, map[string]any{"access_token": nasty})
			return true
		}
	})
	answer := b.browser(t).get("/oauth/callback?code=x")
	if token := answer.posted(t).token(); token != nasty {
		t.Errorf("the token arrives as %q", token)
	}
	if strings.Contains(answer.body, "<img") || strings.Count(answer.body, "<script") != 2 || strings.Count(answer.body, "</script") != 2 {
		t.Errorf("the token breaks out of its place: %s", answer.body)
	}
}

func TestPagesRunNoForeignScript(t *testing.T) {
	b := both(t)
	policies := map[string]bool{}
	for _, path := range []string{"/oauth/callback?code=" + b.coder.code(""), "/oauth/callback?code=bad", "/oauth/callback?error=access_denied"} {
		policy := b.browser(t).get(path).Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'nonce-", "style-src 'nonce-", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: no %s in %q", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || policies[policy] {
			t.Errorf("%s: unsafe, or a nonce that was used before: %q", path, policy)
		}
		policies[policy] = true
	}
}

func TestErrorURLsHoldNoCode(t *testing.T) {
	b := both(t)
	answer := b.browser(t).get("/oauth/nowhere?code=" + codePrefix + "x&state=abc&a=b")
	if want := `"url":"/coder/oauth/nowhere?code=***&state=***&a=b"`; answer.StatusCode != 404 || !strings.Contains(answer.body, want) {
		t.Errorf("status %d: %s", answer.StatusCode, answer.body)
	}
}

func TestHEADSpendsNoCode(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	code := b.coder.code("")
	if answer := br.do(http.MethodHead, "/oauth/callback?code="+code, nil); answer.StatusCode != 200 || answer.Header.Get("Content-Type") != express.HTML {
		t.Errorf("status %d", answer.StatusCode)
	}
	if answer := br.do(http.MethodHead, "/oauth/callback", nil); answer.StatusCode != 400 {
		t.Errorf("without a code: status %d", answer.StatusCode)
	}
	callback, _ := br.begin("/start?env=development")
	br.do(http.MethodHead, callback, nil)
	if calls := b.coder.seen("/oauth2/tokens"); len(calls) != 0 {
		t.Fatalf("HEAD spent %d codes", len(calls))
	}
	if br.get("/oauth/callback?code="+code).posted(t).token() == "" || br.get(callback).posted(t).token() == "" {
		t.Error("HEAD spoiled the sign-in")
	}
}

func TestTokenPagesAreNotStored(t *testing.T) {
	b := both(t)
	answer := b.browser(t).get("/oauth/callback?code="+b.coder.code(""), "Accept-Encoding", "gzip")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Etag": "", "Content-Encoding": "",
		"Cross-Origin-Opener-Policy": "",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
