package coder

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStateOfAnotherBrowserNeverRedirects(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	state := hex.EncodeToString([]byte("nonce=x&env=development&flow=redirect&redirectUrl=" + url.QueryEscape("https://evil.example/steal")))
	for _, path := range []string{"/handler/frame?code=x&state=" + state, "/handler/frame?error=access_denied&state=" + state} {
		answer := br.get(path)
		if answer.StatusCode != 200 || answer.Header.Get("Location") != "" || answer.posted(t).failure() != "NotAllowedError: Auth response is missing cookie nonce" {
			t.Errorf("status %d to %q: %s", answer.StatusCode, answer.Header.Get("Location"), answer.visible())
		}
	}
}

func TestRedirectsStayOnAllowedOrigins(t *testing.T) {
	b := both(t)
	for _, target := range []string{
		"https://evil.example/steal", "javascript:alert(1)", "//evil.example", `/\evil.example`, "/\t/evil.example",
		"data:text/html,x", "http://app .example/", appURL + ".evil.example/", "http://app.example:3000@evil.example/", "evil", "https:evil.example", " https://evil.example", `https://evil.example\@app.example`,
		"https://pr-1\u3002preview.example/", "https://pr-ä.preview.example/", "https://pr-%C3%A4.preview.example/", "https://\uff0f.preview.example/", "https://xn--.preview.example/", "https://pr-1\u00ad.preview.example/",
	} {
		answer := b.browser(t).get("/start?env=development&flow=redirect&redirectUrl=" + url.QueryEscape(target))
		if answer.StatusCode != 403 && answer.StatusCode != 400 {
			t.Errorf("%q: status %d", target, answer.StatusCode)
		}
	}
	for _, target := range []string{appURL + "/catalog?a=1", "https://pr-1.preview.example/x", "/catalog", appURL + "/a%20b"} {
		br := b.browser(t)
		callback, _ := br.begin("/start?env=development&flow=redirect&redirectUrl=" + url.QueryEscape(target))
		if answer := br.get(callback); answer.StatusCode != 302 || answer.Header.Get("Location") != target || br.cookie("/refresh", refreshCookie) == "" {
			t.Errorf("%q: status %d to %q", target, answer.StatusCode, answer.Header.Get("Location"))
		}
		_, state := br.begin("/start?env=development&flow=redirect&redirectUrl=" + url.QueryEscape(target))
		answer := br.get("/handler/frame?error=access_denied&state=" + state)
		to, _ := url.Parse(answer.Header.Get("Location"))
		if to.Query().Get("error") != "Authentication rejected, the sign-in was cancelled or denied at Coder" || !strings.HasPrefix(to.String(), strings.Split(target, "?")[0]) {
			t.Errorf("%q: a failure leads to %q", target, to)
		}
	}
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development&flow=redirect")
	if said := br.get(callback).posted(t); said.failure() != "InputError: No redirectUrl provided in request query parameters" {
		t.Errorf("no URL: the app gets %q", said.failure())
	}
}

func TestStartAndLogoutCheckTheOrigin(t *testing.T) {
	b := both(t)
	for origin, status := range map[string]int{
		appURL: 302, "https://pr-1.preview.example": 302, "https://a.b.preview.example/path": 302,
		"https://preview.example": 403, "http://pr-1.preview.example": 403, "https://pr-1.preview.example.evil.example": 403, "": 400,
	} {
		if answer := b.browser(t).get("/start?env=development&origin=" + url.QueryEscape(origin)); answer.StatusCode != status {
			t.Errorf("start from %q: status %d, want %d", origin, answer.StatusCode, status)
		}
	}
	br := b.browser(t)
	br.signIn("development")
	if answer := br.logout("development", "Origin", "https://evil.example"); answer.StatusCode != 403 || br.cookie("/refresh", refreshCookie) == "" {
		t.Errorf("logout from a foreign origin: status %d", answer.StatusCode)
	}
	if answer := br.logout("development", "Origin", appURL); answer.StatusCode != 200 {
		t.Errorf("logout from the app: status %d", answer.StatusCode)
	}
}

func TestNothingIsPostedToARefusedOrigin(t *testing.T) {
	b := both(t)
	for origin, want := range map[string]string{
		"https://evil.example": "NotAllowedError: Origin 'https://evil.example' is not allowed",
		"no-url":               "NotAllowedError: App origin is invalid, failed to parse",
	} {
		state := hex.EncodeToString([]byte("nonce=x&env=development&origin=" + url.QueryEscape(origin)))
		said := b.browser(t).get("/handler/frame?code=x&state=" + state).posted(t)
		if said.to() != appURL || said.failure() != want || said.Messages[0].Data.TargetOrigin != appURL {
			t.Errorf("%s: %q goes to %q", origin, said.failure(), said.to())
		}
	}
}

func TestOnlyTheExpectedOriginIsPostedToAnyOrigin(t *testing.T) {
	b := both(t)
	said := b.browser(t).signIn("development")
	for i, message := range said.Messages {
		if anyone := message.Origins[0] == "*"; anyone != (i == 0) || anyone && (message.Data.Type != "config_info" || message.Data.TargetOrigin != appURL) {
			t.Errorf("message %d goes to %v: %+v", i, message.Origins, message.Data)
		}
	}
}

func TestLegacyTokenIsPostedToAllowedOriginsOnly(t *testing.T) {
	b := both(t)
	said := b.browser(t).get("/oauth/callback?code=" + b.coder.code("")).posted(t)
	if want := []string{appURL, "https://other.example"}; !cmp.Equal(want, said.Messages[0].Origins) {
		t.Error(cmp.Diff(want, said.Messages[0].Origins))
	}
	coder := newFakeCoder(t)
	alone := start(t, coder, func(base string) string { return config(base, coder.URL, "") })
	if to := alone.browser(t).get("/oauth/callback?code=" + coder.code("")).posted(t).to(); to != appURL {
		t.Errorf("the token goes to %q, want %q alone", to, appURL)
	}
}

func TestRedirectURIIsNotTakenFromTheRequest(t *testing.T) {
	b := both(t)
	request, _ := http.NewRequest(http.MethodGet, b.URL+"/api/auth/coder/oauth/callback?code="+b.coder.code(""), nil)
	request.Host = "evil.example"
	request.Header.Set("X-Forwarded-Host", "evil.example")
	answer, err := b.browser(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if got, want := b.coder.seen("/oauth2/tokens")[0].form.Get("redirect_uri"), b.URL+"/api/auth/coder/oauth/callback"; got != want {
		t.Errorf("redirect_uri %q, want %q", got, want)
	}
}
