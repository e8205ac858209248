package coder

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// roundTrip answers requests without a network, which synctest's bubble cannot wait for.
type roundTrip func(*http.Request) string

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(f(r))), Request: r}, nil
}

func TestRotationIsRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refreshes := 0
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // no lookups of metadata
		c := &client{timeout: time.Second, http: &http.Client{Transport: roundTrip(func(r *http.Request) string {
			if r.Method == http.MethodGet {
				return `{"username":"wren"}`
			}
			refreshes++
			return fmt.Sprintf(`{"access_token":"a%d","refresh_token":"r%d"}`, refreshes, refreshes)
		})}}
		c.metadata = newMetadata(ctx, "http://coder.example", c.http, nil)
		var s sessions
		renew := func(token, want string) {
			t.Helper()
			n, err := s.renew(t.Context(), c, token, "")
			if err != nil || n.tokens.refresh != want {
				t.Fatalf("%s: got %+v, %v", token, n, err)
			}
		}
		renew("r0", "r1")
		renew("r0", "r1") // a tab that is a moment late
		time.Sleep(recentLife - time.Second)
		renew("r0", "r1")
		time.Sleep(2 * time.Second)
		renew("r0", "r2") // forgotten: Coder decides
		if live := s.end("r0"); live != "r2" {
			t.Errorf("the live token of r0 is %s", live)
		}
		renew("r0", "r3")
		s.forget("r0") // Coder gave it anew
		renew("r0", "r4")
	})
}

func TestSlowRotationIsRememberedAsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // no lookups of metadata
		refreshes := 0
		c := &client{timeout: time.Minute, http: &http.Client{Transport: roundTrip(func(r *http.Request) string {
			time.Sleep(20 * time.Second)
			if r.Method == http.MethodPost {
				refreshes++
			}
			return `{"access_token":"a","refresh_token":"r1","username":"wren"}`
		})}}
		c.metadata = newMetadata(ctx, "http://coder.example", c.http, nil)
		var s sessions
		for range 2 {
			if n, err := s.renew(t.Context(), c, "r0", ""); err != nil || n.tokens.refresh != "r1" || refreshes != 1 {
				t.Fatalf("got %+v, %v after %d refreshes: the second tab spends a token that is dead", n, err, refreshes)
			}
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var live, expired sessions
	for i := range 3 * maxRecent {
		key := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		live.remember(key, &renewal{tokens: &tokens{}, until: time.Now().Add(time.Hour)})
		expired.remember(key, &renewal{tokens: &tokens{}})
	}
	if len(live.recent) != maxRecent || len(expired.recent) != 1 {
		t.Errorf("%d live and %d expired outcomes are remembered, want %d and 1", len(live.recent), len(expired.recent), maxRecent)
	}
}

func TestARefreshOutlivesTheTabThatAskedForIt(t *testing.T) {
	b := both(t)
	br := b.browser(t)
	br.signIn("development")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := b.handler.(*handler).environments["development"]
	if n, err := e.renew(ctx, e.client, br.cookie("/refresh", refreshCookie), ""); err != nil || n.profile == nil {
		t.Errorf("%+v, %v", n, err)
	}
}
