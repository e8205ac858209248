package coder

import (
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

// A browser drops a cookie that is too long, and a server refuses a request with too many long ones: a link
// with a long URL in it, opened a few times, must not lock the user out.
func TestFlowCookiesStaySmall(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	for _, parameter := range []string{"redirectUrl=" + url.QueryEscape(appURL+"/?"), "x=", "scope="} {
		for range 7 {
			answer := br.get("/start?env=development&flow=redirect&" + parameter + strings.Repeat("a", 2400))
			if answer.StatusCode != 302 {
				t.Fatalf("%s…: status %d: %s", parameter, answer.StatusCode, answer.body)
			}
			for _, line := range answer.Header["Set-Cookie"] {
				if pair, _, _ := strings.Cut(line, ";"); len(pair) > 4096 {
					t.Errorf("%s…: a cookie of %d bytes, which no browser keeps", parameter, len(pair))
				}
			}
		}
		if n, size := br.flowCookies(); size > maxFlowBytes || n == 0 {
			t.Errorf("%s…: %d flows of %d bytes are pending", parameter, n, size)
		}
	}
	for _, parameter := range []string{"redirectUrl=" + url.QueryEscape(appURL+"/?"), "redirectUrl=%2F" + strings.Repeat("%26", 600), "flow="} {
		if answer := br.get("/start?env=development&flow=redirect&" + parameter + strings.Repeat("a", 3000)); answer.StatusCode != 400 {
			t.Errorf("%.20s… that is too long: status %d", parameter, answer.StatusCode)
		}
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
