package coder

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestEveryRouteIsBoundedAndSignedInUsersAreAnswered: Coder hangs on guessed tokens and codes.
func TestEveryRouteIsBoundedAndSignedInUsersAreAnswered(t *testing.T) {
	hanging, release := make(chan struct{}, 100), make(chan struct{})
	coder := newFakeCoder(t)
	coder.set(func(f *fakeCoder) {
		f.token = func(_ http.ResponseWriter, r *http.Request) bool {
			guessed := strings.HasPrefix(r.PostForm.Get("code")+r.PostForm.Get("refresh_token"), "guess")
			if guessed {
				hanging <- struct{}{}
				<-release
			}
			return guessed
		}
	})
	b := start(t, coder, func(base string) string {
		return strings.Replace(config(base, coder.URL, providers(coder.URL)), "oauth: {", "oauth: {maxConcurrentCalls: 2, ", 1)
	})
	signedIn, stranger := b.browser(t), b.browser(t)
	signedIn.signIn("development")
	ask := func(ctx context.Context, path, cookie string) string {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.URL+"/api/auth/coder"+path, nil)
		if err != nil {
			t.Error(err)
			return ""
		}
		request.Header.Set("X-Requested-With", "XMLHttpRequest")
		if cookie != "" {
			request.Header.Set("Cookie", cookie)
		}
		answer, err := stranger.Do(request)
		if err != nil {
			return "" // gone
		}
		defer func() { _ = answer.Body.Close() }()
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
		return answer.Status + " " + string(body)
	}
	// One guess is the strangers' half of the calls, and another one their half of the queue.
	done := make(chan string, 10)
	go func() { done <- ask(t.Context(), "/refresh?env=development", refreshCookie+"=guess-1") }()
	<-hanging
	calls := len(coder.seen("/oauth2/tokens"))
	for path, want := range map[string]string{
		"/refresh?env=development": "503 Service Unavailable",
		"/oauth/callback?code=":    "503 Service Unavailable",
		"/handler/frame":           "503 Service Unavailable",
	} {
		ctx, leave := context.WithCancel(t.Context())
		answers := make(chan string, 2)
		for _, guess := range []string{"guess-2", "guess-3"} {
			at := path
			if path == "/oauth/callback?code=" {
				at += guess
			}
			if path == "/handler/frame" {
				callback, _ := stranger.begin("/start?env=development")
				_, query, _ := strings.Cut(callback, "&state=")
				at += "?code=" + guess + "&state=" + query
			}
			cookie := ""
			if path == "/refresh?env=development" {
				cookie = refreshCookie + "=" + guess
			}
			go func() { answers <- ask(ctx, at, cookie) }()
		}
		if got := <-answers; !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		if answer := signedIn.refresh("development"); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: a user who is signed in: status %d: %s", path, answer.StatusCode, answer.body)
		}
		leave()
		<-answers
	}
	if got := len(coder.seen("/oauth2/tokens")) - calls; got != 0 {
		t.Errorf("Coder was asked %d times", got)
	}
	if answer := signedIn.logout("development"); answer.StatusCode != http.StatusOK || len(coder.seen("/oauth2/revoke")) != 1 {
		t.Errorf("sign-out: status %d, %d revocations", answer.StatusCode, len(coder.seen("/oauth2/revoke")))
	}
	close(release)
	<-done
}
