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

func testRing(t testing.TB) *seal.Ring {
	ring, err := seal.New("test", []byte("a secret of the test"))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestStateHasBackstagesForm(t *testing.T) {
	origin, empty := "https://app.example", ""
	state, nonce := newState("env", "development", "origin", origin, "flow", empty)
	fields, err := readState(state)
	want := map[string]string{"nonce": nonce, "env": "development", "origin": origin, "flow": ""}
	if diff := cmp.Diff(want, fields); err != nil || diff != "" || len(nonce) != 24 || state != strings.ToLower(state) {
		t.Errorf("%v %s", err, diff)
	}
}

// TestExpiredState has a sealed cookie whose time is up, as a browser with a wrong clock would send it.
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
	if got := answer.told(t).failure(); got != "NotAllowedError: The sign-in took longer than ten minutes, please try again" {
		t.Error(got)
	}
	if len(b.coder.seen("/oauth2/tokens")) != 0 {
		t.Error("Coder was asked")
	}
}

// TestTheWholeStateIsBound: the name of the cookie holds a part of the state's hash, the cookie all of it.
func TestTheWholeStateIsBound(t *testing.T) {
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
	bridged, _ := br.begin("/oauth2/authorize?client_id=backstage&response_type=code&redirect_uri=" + url.QueryEscape(b.URL+"/api/auth/coder/oauth/callback"))
	provided, _ := br.begin("/start?env=development")
	if answer := br.get(strings.Replace(provided, "/handler/frame", "/oauth/callback", 1)); answer.StatusCode != 403 {
		t.Errorf("a provider flow at the legacy callback: status %d", answer.StatusCode)
	}
	if said := br.get(strings.Replace(bridged, "/oauth/callback?", "/handler/frame?env=development&", 1)).told(t); !strings.HasPrefix(said.failure(), "NotAllowedError") {
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

func FuzzCallback(f *testing.F) {
	b := both(f)
	for _, query := range []string{"", "code=x", "code=x&state=" + legacyState, "error=access_denied", "code=%00&state=%ff", "a;b&%zz", "state[]=x&code[a]=b"} {
		f.Add(query)
	}
	b.coder.set(func(c *fakeCoder) {
		c.token = failing(400, `{"error":"invalid_grant","error_description":"`+upstreamProse+`"}`)
	})
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/oauth/callback", "/handler/frame", "/start", "/oauth2/authorize"} {
			r := &http.Request{Method: "GET", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Proto: "HTTP/1.1"}
			w := &sink{header: http.Header{}}
			b.handler.ServeHTTP(w, r.WithContext(t.Context()))
			if strings.Contains(w.body.String(), clientSecret) || strings.Contains(w.body.String(), upstreamProse) || w.status == 0 {
				t.Errorf("%s?%s: status %d: %s", path, query, w.status, w.body.String())
			}
		}
	})
}

type sink struct {
	header http.Header
	status int
	body   strings.Builder
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return s.body.Write(p) }
