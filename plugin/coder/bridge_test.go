package coder

import (
	"net/url"
	"strings"
	"testing"
)

func TestBridgeAddsPKCEAndAState(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	back := b.URL + "/api/auth/coder/handler/frame" // that of the same application in auth.providers.coder
	ask := b.bridge() + "&state=" + legacyState
	to, _ := url.Parse(br.get(ask).Header.Get("Location"))
	query := to.Query()
	if to.Host != b.coder.Listener.Addr().String() || to.Path != "/oauth2/authorize" || query.Get("redirect_uri") != back || query.Get("client_id") != "backstage" {
		t.Errorf("the bridge leads to %s", to)
	}
	for name := range query {
		if !strings.Contains(" response_type client_id redirect_uri state code_challenge code_challenge_method ", " "+name+" ") {
			t.Errorf("Coder does not know the parameter %s", name)
		}
	}
	if query.Get("code_challenge_method") != "S256" || len(query.Get("code_challenge")) != 43 || query.Get("state") == legacyState {
		t.Errorf("no PKCE, or the old state: %v", query)
	}
	callback, _ := br.begin(ask)
	if br.get(callback).posted(t).token() == "" {
		t.Error("a bridged sign-in fails")
	}
	calls := b.coder.seen("/oauth2/tokens")
	if verifier := calls[len(calls)-1].form.Get("code_verifier"); len(verifier) != 43 {
		t.Errorf("code_verifier %q", verifier)
	}
}

func TestBridgeRefuses(t *testing.T) {
	b := both(t)
	back := url.QueryEscape(b.URL + "/api/auth/coder/oauth/callback")
	for name, query := range map[string]string{
		"client_id":     "client_id=other&response_type=code&redirect_uri=" + back,
		"redirect_uri":  "client_id=backstage&response_type=code&redirect_uri=https%3A%2F%2Fevil.example",
		"response_type": "client_id=backstage&response_type=token&redirect_uri=" + back,
		"no query":      "",
	} {
		answer := b.browser(t).get("/oauth2/authorize?" + query)
		if answer.StatusCode != 400 || answer.Header.Get("Location") != "" || answer.posted(t).failure() != "invalid_request" {
			t.Errorf("%s: status %d to %q", name, answer.StatusCode, answer.Header.Get("Location"))
		}
	}
}

func TestBridgePinsTheAppThatOpenedIt(t *testing.T) {
	b := both(t)
	for referrer, want := range map[string]string{
		"https://pr-1.preview.example/x": "https://pr-1.preview.example",
		"https://evil.example/":          appURL + " https://other.example",
		"":                               appURL + " https://other.example",
	} {
		br := b.browser(t)
		callback, _ := br.begin(b.bridge(), "Referer", referrer)
		if to := br.get(callback).posted(t).to(); to != want {
			t.Errorf("opened by %q: the token goes to %q, want %q", referrer, to, want)
		}
	}
}

func TestBridgeCancelWithAState(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	_, state := br.begin(b.bridge())
	answer := br.get("/oauth/callback?error=access_denied&error_description=The+user+said+no&state=" + state)
	if !strings.Contains(answer.visible(), "Coder says: The user said no") || br.flows() != 0 {
		t.Errorf("%d flows pending: %s", br.flows(), answer.visible())
	}
}

func TestBridgeCancelWithoutAState(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.begin(b.bridge(), "Referer", "https://pr-1.preview.example/")
	said := br.get("/oauth/callback?error=access_denied").posted(t)
	if said.to() != "https://pr-1.preview.example" || said.failure() != "access_denied" {
		t.Errorf("the app gets %+v", said)
	}
}

func TestBridgedFrontendsLinksLeadToCoder(t *testing.T) {
	coder := newFakeCoder(t)
	b := start(t, coder, func(base string) string {
		return strings.Replace(config(base, base+"/api/auth/coder", ""), "oauth: {", "oauth: {deploymentUrl: '"+coder.URL+"', ", 1)
	})
	for path, want := range map[string]string{
		"/cli-auth":                            coder.URL + "/cli-auth",
		"/templates/Dev/workspace?mode=manual": coder.URL + "/templates/Dev/workspace?mode=manual",
		"/@Wren/My-Space":                      coder.URL + "/@Wren/My-Space",
		"/health":                              "",
		"/nowhere":                             "",
	} {
		if got := b.browser(t).get(path).Header.Get("Location"); got != want {
			t.Errorf("%s leads to %q, want %q", path, got, want)
		}
	}
	if got := both(t).browser(t).get("/cli-auth"); got.StatusCode != 404 {
		t.Errorf("without the bridge: status %d", got.StatusCode)
	}
}
