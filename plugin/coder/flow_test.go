package coder

import (
	"encoding/json"
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

func TestReplayedCallbackNeverReachesCoder(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	callback, _ := br.begin("/start?env=development")
	br.get(callback)
	asked := len(b.coder.seen("/oauth2/tokens"))
	if said := br.get(callback).posted(t); said.failure() != "NotAllowedError: Invalid nonce" || len(b.coder.seen("/oauth2/tokens")) != asked {
		t.Errorf("the replay: %q, %d requests", said.failure(), len(b.coder.seen("/oauth2/tokens"))-asked)
	}
}

func testRing(t testing.TB) *seal.Ring {
	ring, err := seal.New("test", []byte("a secret of the test"))
	if err != nil {
		t.Fatal(err)
	}
	return ring
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
	jar := &cookieJar{header: http.Header{}}
	f := jar.beginFlow(h.ring, state, flow{Env: "development"})
	f.Expires = time.Now().Unix() - 1
	text, _ := json.Marshal(f)
	name := flowCookie(state)
	answer := b.browser(t).get("/handler/frame?code=x&state="+state, "Cookie", nonceCookie+"="+url.QueryEscape(nonce)+"; "+name+"="+h.ring.Seal(text, name))
	if got := answer.posted(t).failure(); got != "NotAllowedError: The sign-in took longer than ten minutes, please try again" {
		t.Error(got)
	}
	if len(b.coder.seen("/oauth2/tokens")) != 0 {
		t.Error("Coder was asked")
	}
}

// TestWholeStateIsBoundToTheCookie: the name of the cookie holds a part of the state's hash, the cookie all of it.
func TestWholeStateIsBoundToTheCookie(t *testing.T) {
	ring := testRing(t)
	one, _ := newState("env", "development")
	other, _ := newState("env", "development")
	f := (&cookieJar{header: http.Header{}}).beginFlow(ring, one, flow{Env: "development"})
	text, _ := json.Marshal(f)
	for state, want := range map[string]bool{one: true, other: false} {
		name := flowCookie(state)
		sent := cookies{name: ring.Seal(text, name)}
		if _, _, ok := sent.flow(ring, state); ok != want {
			t.Errorf("taken: %t, want %t", ok, want)
		}
	}
}

func TestFlowsOfOneKindAreNotTakenForTheOther(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	bridged, _ := br.begin(b.bridge())
	provided, _ := br.begin("/start?env=development")
	if answer := br.get(strings.Replace(provided, "/handler/frame", "/oauth/callback", 1)); answer.StatusCode != 403 {
		t.Errorf("a provider flow at the legacy callback: status %d", answer.StatusCode)
	}
	if said := br.get(strings.Replace(bridged, "/oauth/callback?", "/handler/frame?env=development&", 1)).posted(t); !strings.HasPrefix(said.failure(), "NotAllowedError") {
		t.Errorf("a bridge flow at the frame: %s", said.failure())
	}
	if len(b.coder.seen("/oauth2/tokens")) != 0 {
		t.Error("Coder was asked")
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
	ring := testRing(f)
	state, _ := newState("env", "development")
	jar := &cookieJar{header: http.Header{}}
	jar.beginFlow(ring, state, flow{Env: "development"})
	line, _, _ := strings.Cut(jar.header.Get("Set-Cookie"), ";")
	_, sealed, _ := strings.Cut(line, "=")
	// A dollar stands for the state and the cookie of this process: each run of the fuzzer has its own.
	f.Add("$", "$")
	f.Add("$0", "$")
	f.Add("$", "x$")
	f.Add("", "")
	f.Add("zz", "zz")
	f.Fuzz(func(t *testing.T, other, text string) {
		other, text = strings.ReplaceAll(other, "$", state), strings.ReplaceAll(text, "$", sealed)
		jar := &cookieJar{header: http.Header{}, cookies: cookies{flowCookie(other): text}}
		if _, _, ok := jar.flow(ring, other); ok != (other == state && text == sealed) {
			t.Errorf("opened: %t: %q %q", ok, other, text)
		}
		_, _ = readState(other)
		_ = isLegacyState(other)
		jar.pendingFlow(ring, func(flow) bool { return true })
		jar.pruneFlows(ring, 0, 0)
	})
}
