package coder

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestAnswerOfAnotherDeploymentIsRefused: its code is not sent (RFC 9700, section 4.4).
func TestAnswerOfAnotherDeploymentIsRefused(t *testing.T) {
	b := both(t)
	for _, begin := range []string{"/start?env=development", b.bridge()} {
		br := b.browser(t)
		callback, _ := br.begin(begin)
		asked := len(b.coder.seen("/oauth2/tokens"))
		if answer := br.get(callback + "&iss=https%3A%2F%2Fother.example"); answer.posted(t).token() != "" || len(b.coder.seen("/oauth2/tokens")) != asked {
			t.Errorf("%s: status %d: %s", begin, answer.StatusCode, answer.visible())
		}
		callback, _ = br.begin(begin)
		if br.get(callback+"&iss="+b.coder.URL).posted(t).token() == "" {
			t.Errorf("%s: the right issuer is refused", begin)
		}
	}
}

func TestIssuerIsRequiredIfTheMetadataAnnouncesIt(t *testing.T) {
	coder := newFakeCoder(t)
	read := make(chan struct{}, 9)
	coder.metadata = func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"issuer": coder.URL, "authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": []string{"S256"}})
		read <- struct{}{}
	}
	b := start(t, coder, func(base string) string { return config(base, coder.URL, "") })
	<-read
	for range 1000 { // until the metadata is in use, a moment later
		br := b.browser(t)
		callback, _ := br.begin("/start?env=development")
		if br.get(callback).posted(t).token() != "" {
			continue
		}
		callback, _ = br.begin("/start?env=development")
		if br.get(callback+"&iss="+coder.URL).posted(t).token() == "" {
			t.Error("an answer with the issuer is refused")
		}
		return
	}
	t.Error("an answer without an issuer is taken")
}

func TestEnvironmentsAtDifferentDeploymentsAreWarnedOfASharedCallback(t *testing.T) {
	const env = "%s: {clientId: a, clientSecret: b, deploymentUrl: 'https://%s.example'%s}"
	for name, test := range map[string]struct {
		callback string
		want     int
	}{"shared": {"", 1}, "one each": {", callbackUrl: 'http://backend.example/api/auth/coder/oauth/callback'", 0}} {
		s, err := read(t, "app: {baseUrl: 'https://app.example'}\nauth: {environment: one, providers: {coder: {"+fmt.Sprintf(env, "one", "one", "")+", "+fmt.Sprintf(env, "two", "two", test.callback)+"}}}")
		n := 0
		for _, warning := range s.warnings {
			if strings.Contains(warning, "auth.providers.coder.one and auth.providers.coder.two are at different Coder deployments") {
				n++
			}
		}
		if err != nil || n != test.want {
			t.Errorf("%s: %v, %v", name, s.warnings, err)
		}
	}
}
