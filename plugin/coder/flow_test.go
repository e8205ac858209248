package coder

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/seal"
)

func TestNoCharacterOfTheStateCanBeChanged(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, state := br.begin("/start?env=development&origin=https://other.example")
	for i := range state {
		for _, c := range "0a" {
			changed := state[:i] + string(c) + state[i+1:]
			if changed == state {
				continue
			}
			// With env in the query the state alone decides.
			answer := br.get("/handler/frame?env=development&code=x&state=" + changed)
			if said := answer.posted(t); !strings.HasPrefix(said.failure(), "NotAllowedError: ") {
				t.Fatalf("character %d changed to %c: %q", i, c, said.failure())
			}
		}
	}
	for name, changed := range map[string]string{"upper case": strings.ToUpper(state), "longer": state + "00", "shorter": state[:len(state)-2], "blank": state + "%20"} {
		if said := br.get("/handler/frame?env=development&code=x&state=" + changed).posted(t); !strings.HasPrefix(said.failure(), "NotAllowedError: ") {
			t.Errorf("%s: %q", name, said.failure())
		}
	}
	staging := strings.Replace(callback, "?", "?env=staging&", 1)
	if said := br.get(staging).posted(t); said.failure() != "NotAllowedError: OAuth state is invalid, it belongs to another environment" {
		t.Errorf("env in the query: %q", said.failure())
	}
	if calls := b.coder.seen("/oauth2/tokens"); len(calls) != 0 {
		t.Fatalf("Coder was asked %d times", len(calls))
	}
	if br.get(callback).posted(t).token() == "" {
		t.Error("the state as it was is refused")
	}
}

// testHandler returns a handler that can seal and open flows.
func testHandler(t testing.TB) *handler {
	ring, err := seal.New("test", []byte("a secret of the test"))
	if err != nil {
		t.Fatal(err)
	}
	return &handler{
		ring: ring, environments: map[string]*environment{"development": {name: "development"}},
		callbackURLs: []string{testFlow.redirectURI}, settings: &settings{mount: "https://backend.example/api/auth/coder"},
	}
}

var testFlow = flow{env: "development", redirectURI: "https://backend.example/api/auth/coder/handler/frame"}

// began returns the cookies of a browser that has begun a flow, and the flow.
func began(h *handler, state string, f flow) (cookies, flow) {
	jar := &cookieJar{header: http.Header{}}
	f = h.beginFlow(jar, state, f)
	line, _, _ := strings.Cut(jar.header.Get("Set-Cookie"), ";")
	name, value, _ := strings.Cut(line, "=")
	return cookies{name: {value}}, f
}

func TestStateHasTheFormOfBackstage(t *testing.T) {
	origin, empty := "https://app.example", ""
	state, nonce := newState("env", "development", "origin", origin, "flow", empty)
	fields, err := readState(state)
	want := map[string]string{"nonce": nonce, "env": "development", "origin": origin, "flow": ""}
	if diff := cmp.Diff(want, fields); err != nil || diff != "" || len(nonce) != 24 || state != strings.ToLower(state) {
		t.Errorf("%v %s", err, diff)
	}
}

// TestExpiredState sends an expired sealed cookie, as a browser with a wrong clock would.
func TestExpiredState(t *testing.T) {
	b := both(t)
	h := b.handler.(*handler)
	state, nonce := newState("env", "development")
	_, f := began(h, state, flow{env: "development", redirectURI: h.environments["development"].app.CallbackURL})
	f.expires = time.Now().Unix() - 1
	name := flowCookie(state)
	answer := b.browser(t).get("/handler/frame?code=x&state="+state, "Cookie", nonceCookie+"="+url.QueryEscape(nonce)+"; "+name+"="+h.ring.Seal(f.pack(200), name))
	if got := answer.posted(t).failure(); got != "NotAllowedError: The sign-in took longer than ten minutes, please try again" {
		t.Error(got)
	}
	if len(b.coder.seen("/oauth2/tokens")) != 0 {
		t.Error("Coder was asked")
	}
}

// TestWholeStateIsBoundToTheCookie: the name of the cookie holds a part of the state's hash, the cookie the rest.
func TestWholeStateIsBoundToTheCookie(t *testing.T) {
	h := testHandler(t)
	one, _ := newState("env", "development")
	other, _ := newState("env", "development")
	_, f := began(h, one, testFlow)
	for state, want := range map[string]bool{one: true, other: false} {
		name := flowCookie(state)
		if _, _, ok := h.flow(cookies{name: {h.ring.Seal(f.pack(200), name)}}, state); ok != want {
			t.Errorf("taken: %t, want %t", ok, want)
		}
	}
}

// TestFlowKeepsWhatItWasBegunWith: what does not fit is found among what is configured.
func TestFlowKeepsWhatItWasBegunWith(t *testing.T) {
	h := testHandler(t)
	known := "https://" + strings.Repeat("long.", 40) + "example"
	h.settings.exactOrigins = []string{"https://app.example", known}
	for _, origin := range []string{"", "https://app.example", "https://pr-1.preview.example", known} {
		for _, k := range []kind{popup, redirect, bridge} {
			state, _ := newState("env", "development", "redirectUrl", "/x")
			begin := testFlow
			begin.origin, begin.kind = origin, k
			sent, want := began(h, state, begin)
			want.fields, _ = readState(state)
			got, _, ok := h.flow(sent, state)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(flow{})); !ok || diff != "" {
				t.Errorf("%q: %t %s", origin, ok, diff)
			}
		}
	}
}

func TestOneCallbackURLServesBothFrontends(t *testing.T) {
	b := both(t)
	for _, route := range []string{"/handler/frame?", "/oauth/callback?"} {
		for _, begin := range []string{b.bridge(), "/start?env=development"} {
			br := b.browser(t)
			callback, _ := br.begin(begin)
			_, query, _ := strings.Cut(callback, "?")
			if answer := br.get(route + query); answer.posted(t).token() == "" {
				t.Errorf("%s at %s: status %d: %s", begin, route, answer.StatusCode, answer.visible())
			}
			calls := b.coder.seen("/oauth2/tokens")
			if back, asked := calls[len(calls)-1].form.Get("redirect_uri"), strings.SplitN(callback, "?", 2)[0]; back != asked {
				t.Errorf("%s at %s: asked for with redirect_uri %s, and spent with %s", begin, route, asked, back)
			}
		}
	}
	// A state that was not made here is taken at the legacy callback only.
	if answer := b.browser(t).get("/handler/frame?code=" + b.coder.code("") + "&state=" + legacyState); answer.StatusCode != 403 {
		t.Errorf("a legacy state at the frame: status %d", answer.StatusCode)
	}
}

func TestLegacyState(t *testing.T) {
	for state, want := range map[string]bool{
		legacyState:                       true,
		"eyJyZXR1cm5UbyI6Ii9+fj8ifQ==":    true,  // has a plus in other paddings
		"eyJyZXR1cm5UbyI6Ii9jYXRhbG9nIn0": true,  // without its padding
		"e30=":                            false, // {}
		"bnVsbA==":                        false, // null
		"eyJyZXR1cm5UbyI6NX0=":            false, // a number
		"":                                false,
		"abc":                             false,
		strings.Repeat("eyJy", 4000):      false,
	} {
		if got := isLegacyState(state); got != want {
			t.Errorf("%.40q: %t", state, got)
		}
	}
	if !isLegacyState("eyJyZXR1cm5UbyI6Ii8 In0=") { // a plus that became a blank
		t.Error("a blank for a plus is refused")
	}
}

func FuzzFlow(f *testing.F) {
	h := testHandler(f)
	state, _ := newState("env", "development")
	sent, _ := began(h, state, testFlow)
	sealed := sent.first(flowCookie(state))
	// A dollar stands for the state and the cookie of this process: each run of the fuzzer has its own.
	f.Add("$", "$")
	f.Add("$0", "$")
	f.Add("$", "x$")
	f.Add("", "")
	f.Add("zz", "zz")
	f.Fuzz(func(t *testing.T, other, text string) {
		other, text = strings.ReplaceAll(other, "$", state), strings.ReplaceAll(text, "$", sealed)
		jar := &cookieJar{header: http.Header{}, cookies: cookies{flowCookie(other): {text}}}
		if _, _, ok := h.flow(jar.cookies, other); ok != (other == state && text == sealed) {
			t.Errorf("opened: %t: %q %q", ok, other, text)
		}
		_, _ = readState(other)
		_ = isLegacyState(other)
		h.pendingFlow(jar.cookies, func(flow) bool { return true })
		h.pruneFlows(jar, 0)
	})
}
