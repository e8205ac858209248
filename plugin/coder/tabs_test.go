package coder

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestTwoTabsSignInAtOnce(t *testing.T) {
	b := both(t)
	for name, order := range map[string][]int{"first first": {0, 1}, "second first": {1, 0}} {
		br := b.browser(t)
		var callbacks [2]string
		callbacks[0], _ = br.begin("/start?env=development")
		callbacks[1], _ = br.begin("/start?env=development")
		for _, i := range order {
			if said := br.get(callbacks[i]).posted(t); said.token() == "" {
				t.Errorf("%s: tab %d: %s", name, i, said.failure())
			}
		}
	}
}

func TestOldestPendingFlowIsRemoved(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	for range maxFlows + 1 {
		br.begin("/start?env=development")
		br.begin(b.bridge())
	}
	if n := br.flows(); n != maxFlows {
		t.Errorf("%d flows pending, want %d", n, maxFlows)
	}
	callback, _ := br.begin("/start?env=development")
	if br.get(callback).posted(t).token() == "" {
		t.Error("the newest flow is gone")
	}
}

// TestHeadersOfStartStaySmall: proxies have little room for the headers of an answer, and the Location holds a long deep
// link already.
func TestHeadersOfStartStaySmall(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	for _, parameter := range []string{"redirectUrl=" + url.QueryEscape(appURL+"/?"), "x=", "scope=", "flow="} {
		for range 7 {
			answer := br.get("/start?env=development&origin=https://other.example&flow=redirect&" + parameter + strings.Repeat("a", 900))
			if answer.StatusCode != 302 {
				t.Fatalf("%s…: status %d: %s", parameter, answer.StatusCode, answer.body)
			}
			for _, line := range answer.Header["Set-Cookie"] {
				if strings.HasPrefix(line, stateCookie) && len(line) > 300 {
					t.Errorf("%s…: a flow takes a line of %d bytes", parameter, len(line))
				}
			}
		}
		if n := br.flows(); n != maxFlows {
			t.Errorf("%s…: %d flows are pending", parameter, n)
		}
	}
	if answer := br.get("/start?env=development&flow=redirect&redirectUrl=%2F" + strings.Repeat("a", 8000)); answer.StatusCode != 400 {
		t.Errorf("a link that cannot come back: status %d", answer.StatusCode)
	}
	// Over https the line has a longer name and more attributes.
	h := testHandler(t)
	jar := &cookieJar{header: http.Header{}, policy: testPolicy(testFlow.redirectURI, "https://app.example")}
	f := testFlow
	f.origin = "https://" + strings.Repeat("long.", 40) + "example"
	h.beginFlow(jar, "state", f)
	if line := jar.header.Get("Set-Cookie"); len(line) > 300 || !strings.HasPrefix(line, "__Host-coder-state-") || !strings.Contains(line, "; Path=/; ") {
		t.Errorf("%d bytes: %s", len(line), line)
	}
}

func TestCancelWithoutStateOrWords(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.begin("/start?env=development&origin=https://other.example")
	answer := br.get("/handler/frame?error=access_denied&error_description=Call+this+number")
	said := answer.posted(t)
	if said.to() != "https://other.example" || said.failure() != "Error: Authentication rejected, the sign-in was cancelled or denied at Coder" || said.Close != 100 {
		t.Errorf("%q goes to %q", said.failure(), said.to())
	}
}
