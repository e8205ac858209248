package coder

import (
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

// asPerson are the headers with which browsers open a page.
var asPerson = []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}

func TestPeopleGetPagesAndScriptsGetJSON(t *testing.T) {
	b := both(t)
	state := hex.EncodeToString([]byte("nonce=x&env=gone"))
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/start":          {400, "Must specify 'env' query"},
		"/start?env=gone": {404, "No configuration available for the 'gone' environment"},
		"/start?env=development&origin=https://evil.example":                     {403, "Origin 'https://evil.example' is not allowed"},
		"/start?env=development&flow=redirect&redirectUrl=https://evil.example/": {403, "is not allowed"},
		"/handler/frame?code=x":                {400, "Must specify 'env' query"},
		"/handler/frame?code=x&state=" + state: {404, "No configuration available"},
		"/oauth/callback":                      {400, "Missing authorization code"},
		"/oauth2/authorize":                    {400, "client_id"},
	} {
		answer := b.browser(t).get(path, asPerson...)
		if answer.StatusCode != want.status || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") || !strings.Contains(answer.visible(), want.says) {
			t.Errorf("%s: status %d: %s", path, answer.StatusCode, answer.visible())
		}
		for _, part := range []string{`<html lang="en">`, "<h1>", `role="status"`, `href="` + appURL + `"`, "Back to Backstage"} {
			if !strings.Contains(answer.body, part) {
				t.Errorf("%s: the page has no %s", path, part)
			}
		}
		for name, headers := range map[string][]string{
			"fetch":              {"Accept", "*/*", "Sec-Fetch-Mode", "cors"},
			"fetch of HTML":      {"Accept", "text/html", "Sec-Fetch-Mode", "cors"},
			"XMLHttpRequest":     {"Accept", "text/html", "X-Requested-With", "XMLHttpRequest"},
			"a client without a": {},
		} {
			if path == "/oauth2/authorize" {
				continue // the bridge is a page for everybody
			}
			answer := b.browser(t).get(path, headers...)
			if answer.StatusCode != want.status || strings.Contains(answer.body, "<html") {
				t.Errorf("%s, %s: status %d: %s", path, name, answer.StatusCode, answer.body)
			}
		}
	}
}

func TestFailedStartIsToldToAnAllowedOpener(t *testing.T) {
	b := both(t)
	said := b.browser(t).get("/start?env=gone&origin=https://other.example", asPerson...).posted(t)
	if said.to() != "https://other.example" || !strings.HasPrefix(said.failure(), "NotFoundError: No configuration") {
		t.Errorf("%q to %q", said.failure(), said.to())
	}
	if said := b.browser(t).get("/oauth/callback", asPerson...).posted(t); said.Messages[0].Data.Message != "Missing authorization code" || !strings.HasPrefix(said.to(), appURL) {
		t.Errorf("no code: %+v", said)
	}
	answer := b.browser(t).get("/start?env=development&origin=https://evil.example", asPerson...)
	if strings.Contains(answer.body, "authorization_response") {
		t.Errorf("a foreign origin hears of it: %s", answer.body)
	}
	if b.logs.FilterMessageSnippet("auth.experimentalExtraAllowedOrigins").Len() != 1 {
		t.Error("the log does not name the key")
	}
}

// TestPageSaysWhatToDo: people read a sentence, and the cause in small print. The sign-in is begun again with its deep
// link, if that is allowed.
func TestPageSaysWhatToDo(t *testing.T) {
	coder := newFakeCoder(t)
	b := start(t, coder, func(base string) string {
		return strings.Replace(config(base, coder.URL, providers(coder.URL)), "app: {", "app: {title: 'Portal <b>', ", 1)
	})
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development&origin=https://other.example&scope=x")
	answer := b.browser(t).get(callback, asPerson...)
	for _, part := range []string{
		"Portal &lt;b&gt;", "<small>Cause: Auth response is missing cookie nonce</small>", "did not send back the cookie",
		"/start?env=development&amp;origin=https%3A%2F%2Fother.example&amp;scope=x\">Start again", ">Back to Portal", "Close this window",
	} {
		if !strings.Contains(answer.body, part) {
			t.Errorf("no %q: %s", part, answer.body)
		}
	}
	if said := answer.posted(t); said.failure() != "NotAllowedError: Auth response is missing cookie nonce" {
		t.Errorf("the app gets %q", said.failure())
	}
	// A success that nobody heard.
	if said := br.get(callback).posted(t); !strings.Contains(said.Alone, "not open any more: go on in Portal") {
		t.Errorf("alone: %q", said.Alone)
	}
	if answer := br.get("/handler/frame?env=development&code=x&state=zz", "Accept", "*/*"); answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
}
