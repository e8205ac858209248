package upstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/memo"
)

// roundTrip answers requests without a network, for which synctest could not wait.
type roundTrip func(*http.Request) string

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(f(r))), Request: r}, nil
}

// offline returns a client whose calls answer returns the bodies of. It never fetches metadata.
func offline(t *testing.T, answer roundTrip) *Client {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pool := &Pool{ctx: ctx, http: &http.Client{Transport: answer}, timeout: time.Minute, log: zap.NewNop()}
	return &Client{pool: pool, metadata: newMetadata(pool, "http://coder.example")}
}

// remembering returns sessions that the store remembers.
func remembering(t *testing.T, store *memo.Store) *Sessions {
	t.Helper()
	s, err := NewSessions(store, "test")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRenewalIsRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refreshes := 0
		c := offline(t, func(r *http.Request) string {
			if r.Method == http.MethodGet {
				return `{"username":"wren"}`
			}
			refreshes++
			return fmt.Sprintf(`{"access_token":"a%d","refresh_token":"r%d"}`, refreshes, refreshes)
		})
		s := remembering(t, nil)
		renew := func(token, want string) {
			t.Helper()
			renewal, err := s.Renew(t.Context(), c, token, "")
			if err != nil || renewal.Tokens.Refresh != want {
				t.Fatalf("%s: got %+v, %v", token, renewal, err)
			}
		}
		renew("r0", "r1")
		renew("r0", "r1") // a tab that is a moment late
		time.Sleep(recentLife - time.Second)
		renew("r0", "r1")
		time.Sleep(2 * time.Second)
		renew("r0", "r2") // forgotten: Coder decides
		if live := s.End("r0"); !slices.Equal(live, []string{"r2"}) {
			t.Errorf("the valid token of r0 is %s", live)
		}
		if _, err := s.Renew(t.Context(), c, "r0", ""); !errors.Is(err, ErrSignedOut) || refreshes != 2 {
			t.Errorf("after the sign-out: %v, %d refreshes", err, refreshes)
		}
		s.Forget("r0") // Coder has issued it again
		renew("r0", "r3")
	})
}

// A reload of the code: two processes run side by side for a moment, with one memory.
func TestRenewalIsRememberedByTheNextProcess(t *testing.T) {
	refreshes := 0
	c := offline(t, func(r *http.Request) string {
		if r.Method == http.MethodGet {
			return `{"username":"wren","email":"wren@example.com"}`
		}
		refreshes++
		return fmt.Sprintf(`{"access_token":"a%d","refresh_token":"r%d","expires_in":3600,"scope":"a b"}`, refreshes, refreshes)
	})
	var kept memo.Memory
	process := func() *Sessions {
		return remembering(t, memo.New(&kept, func(name string, err error) { t.Errorf("%s: %v", name, err) }))
	}
	first, second := process(), process()
	want, err := first.Renew(t.Context(), c, "r0", "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := second.Renew(t.Context(), c, "r0", "")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-first +second):\n%s", err, diff)
	}
	code := Code{Code: "c", State: []byte("state"), Profile: true}
	if _, err := second.Redeem(t.Context(), c, code); err != nil {
		t.Fatal(err)
	}
	if got, err := first.Redeem(t.Context(), c, code); err != nil || got.Tokens.Refresh != "r2" || refreshes != 2 {
		t.Errorf("the code in the other process: %+v, %v after %d calls", got, err, refreshes)
	}
	if revoke := second.End("r0", []byte("state")); !slices.Equal(revoke, []string{"r2", "r1"}) {
		t.Errorf("a sign-out in the other process revokes %s", revoke)
	}
	if _, err := first.Renew(t.Context(), c, "r1", ""); !errors.Is(err, ErrSignedOut) {
		t.Errorf("after it: %v", err)
	}
	if _, err := first.Redeem(t.Context(), c, code); !errors.Is(err, ErrUsed) {
		t.Errorf("the code after it: %v", err)
	}
}

func TestSlowRenewalIsRememberedAsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refreshes := 0
		c := offline(t, func(r *http.Request) string {
			time.Sleep(20 * time.Second)
			if r.Method == http.MethodPost {
				refreshes++
			}
			return `{"access_token":"a","refresh_token":"r1","username":"wren"}`
		})
		s := remembering(t, nil)
		for range 2 {
			if renewal, err := s.Renew(t.Context(), c, "r0", ""); err != nil || renewal.Tokens.Refresh != "r1" || refreshes != 1 {
				t.Fatalf("got %+v, %v after %d refreshes: the second tab spends a token that is invalid", renewal, err, refreshes)
			}
		}
	})
}

func TestOnlyTheProfileIsReadAgainAfterItFailed(t *testing.T) {
	refreshes, profile := 0, `{}`
	c := offline(t, func(r *http.Request) string {
		if r.Method == http.MethodGet {
			return profile
		}
		refreshes++
		return `{"access_token":"a","refresh_token":"r1"}`
	})
	s := remembering(t, nil)
	renewal, err := s.Renew(t.Context(), c, "r0", "")
	if err == nil || renewal == nil || renewal.Tokens.Refresh != "r1" || renewal.Profile != nil {
		t.Errorf("without a profile: %+v, %v", renewal, err)
	}
	profile = `{"username":"wren"}`
	renewal, err = s.Renew(t.Context(), c, "r0", "")
	if err != nil || renewal.Tokens.Refresh != "r1" || renewal.Profile.DisplayName() != "wren" || refreshes != 1 {
		t.Errorf("with a profile: %+v, %v after %d refreshes", renewal, err, refreshes)
	}
}

func TestRememberedRenewalsAreLimited(t *testing.T) {
	var live, expired memory
	for i := range 3 * maxRecent {
		key := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		live.remember(key, remembered{Renewal: Renewal{Tokens: &Tokens{}}, Until: time.Now().Add(time.Hour)})
		expired.remember(key, remembered{Renewal: Renewal{Tokens: &Tokens{}}})
	}
	if len(live.Recent) != maxRecent || len(expired.Recent) != 1 {
		t.Errorf("%d live and %d expired renewals are remembered, want %d and 1", len(live.Recent), len(expired.Recent), maxRecent)
	}
}

func TestRenewalOutlivesTheTabThatAskedForIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := offline(t, func(r *http.Request) string {
		cancel()
		if err := r.Context().Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the call to %s has the tab's context: %v", r.URL.Path, err)
		}
		return `{"access_token":"a","refresh_token":"r1","username":"wren"}`
	})
	s := remembering(t, nil)
	if renewal, err := s.Renew(ctx, c, "r0", ""); err != nil || renewal.Profile == nil {
		t.Errorf("%+v, %v", renewal, err)
	}
}
