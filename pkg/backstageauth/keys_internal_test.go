package backstageauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// server is an issuer that shows a key with each of the IDs, after a delay, or fails.
type server struct {
	mu       sync.Mutex
	key      *ecdsa.PrivateKey
	ids      []string
	delay    time.Duration
	err      error
	requests int
}

func newServer(t *testing.T, ids ...string) *server {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &server{key: key, ids: ids}
}

func (s *server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// taken returns how many requests there were since the last call.
func (s *server) taken() (n int) {
	s.set(func() { n, s.requests = s.requests, 0 })
	return n
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	var set jose.JSONWebKeySet
	var delay time.Duration
	var err error
	s.set(func() {
		s.requests++
		delay, err = s.delay, s.err
		for _, id := range s.ids {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: &s.key.PublicKey, KeyID: id})
		}
	})
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(set)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(data)))}, err
}

// at runs f with the keys of a server, in a time of its own.
func at(t *testing.T, s *server, f func(t *testing.T, set *keySet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f(t, newIssuers(ctx, s, nil).at("http://issuer/jwks.json"))
	})
}

// finds checks whether a key is found, how long that takes, and how many requests it needs.
func finds(t *testing.T, s *server, set *keySet, what, kid string, want error, took time.Duration, requests int) {
	t.Helper()
	begun := time.Now()
	key, err := set.find(t.Context(), kid, "ES256")
	if !errors.Is(err, want) || err == nil && key == nil {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
	if d := time.Since(begun); d != took {
		t.Errorf("%s: took %v, want %v", what, d, took)
	}
	synctest.Wait()
	if n := s.taken(); n != requests {
		t.Errorf("%s: %d requests, want %d", what, n, requests)
	}
}

func TestKeysAreCachedAndRotated(t *testing.T) {
	s := newServer(t, "1")
	s.delay = time.Second
	at(t, s, func(t *testing.T, set *keySet) {
		finds(t, s, set, "the first time", "1", nil, time.Second, 1)
		finds(t, s, set, "again", "1", nil, 0, 0)
		time.Sleep(keysAge - 2*time.Second)
		finds(t, s, set, "before their age", "1", nil, 0, 0)
		s.set(func() { s.ids = []string{"2"} })
		finds(t, s, set, "a new key", "2", nil, time.Second, 1)
		finds(t, s, set, "a key that is gone", "1", errUnknownKey, time.Second, 1)
		finds(t, s, set, "the new key again", "2", nil, 0, 0)
		s.set(func() { s.ids = []string{"3"} })
		time.Sleep(keysAge)
		finds(t, s, set, "gone, and old", "2", errUnknownKey, time.Second, 1)
	})
}

func TestOldKeysAreUsedForAnHourWhileTheIssuerIsDown(t *testing.T) {
	s := newServer(t, "1")
	at(t, s, func(t *testing.T, set *keySet) {
		down := errors.New("down")
		finds(t, s, set, "at first", "1", nil, 0, 1)
		s.set(func() { s.err, s.delay = down, time.Second })
		time.Sleep(keysAge)
		finds(t, s, set, "the first that notices", "1", nil, time.Second, 1)
		begun := time.Now()
		if _, err := set.find(t.Context(), "1", "ES256"); err != nil || time.Since(begun) != 0 {
			t.Errorf("the next: %v after %v, want the old key at once", err, time.Since(begun))
		}
		time.Sleep(2 * time.Second)
		s.taken()
		finds(t, s, set, "an unknown key", "2", down, time.Second, 1)
		time.Sleep(keysGrace)
		finds(t, s, set, "after an hour", "1", down, time.Second, 1)
		s.set(func() { s.err = nil })
		time.Sleep(time.Minute)
		finds(t, s, set, "up again", "1", nil, time.Second, 1)
	})
}

func TestSlowIssuerHoldsUpItsTokensForSeconds(t *testing.T) {
	s := newServer(t, "1")
	s.delay = time.Hour
	at(t, s, func(t *testing.T, set *keySet) {
		finds(t, s, set, "no answer", "1", context.DeadlineExceeded, fetchTimeout, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := set.find(ctx, "1", "ES256"); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("a client that goes away: %v after %v", err, time.Since(begun))
		}
		time.Sleep(fetchTimeout)
	})
}

func TestOneRequestServesAll(t *testing.T) {
	s := newServer(t, "1")
	s.delay = time.Second
	at(t, s, func(t *testing.T, set *keySet) {
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := set.find(t.Context(), "1", "ES256"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := s.taken(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// Strangers use up the requests for unknown keys. The issuer's tokens are accepted all the time, new keys within seconds.
func TestFloodOfUnknownKeysDelaysANewKeyForSeconds(t *testing.T) {
	s := newServer(t, "1")
	at(t, s, func(t *testing.T, set *keySet) {
		finds(t, s, set, "at first", "1", nil, 0, 1)
		for i := range 1000 {
			if _, err := set.find(t.Context(), fmt.Sprint("made up ", i), "ES256"); !errors.Is(err, errUnknownKey) {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := s.taken(); n != fetchBurst-1 {
			t.Errorf("%d requests, want %d", n, fetchBurst-1)
		}
		s.set(func() { s.ids = []string{"1", "2"} })
		finds(t, s, set, "a new key", "2", errTooOften, 0, 0)
		finds(t, s, set, "a known key", "1", nil, 0, 0)
		time.Sleep(fetchInterval)
		finds(t, s, set, "a new key, later", "2", nil, 0, 1)
	})
}

func TestIssuersAreLimitedInNumber(t *testing.T) {
	s := newServer(t, "1")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		i := newIssuers(ctx, s, nil)
		find := func(url string) error {
			_, err := i.at(url).find(t.Context(), "1", "ES256")
			return err
		}
		if err := find("http://real"); err != nil {
			t.Fatal(err)
		}
		s.set(func() { s.err = errors.New("no such plugin") })
		s.taken()
		for n := range 10 * maxIssuers {
			time.Sleep(time.Millisecond)
			if err := find(fmt.Sprint("http://made-up-", n)); !errors.Is(err, errNoKeys) {
				t.Fatal(err)
			}
		}
		if n := s.taken(); n > askBurst+2 {
			t.Errorf("%d requests", n)
		}
		if len(i.sets) > maxIssuers || len(i.used) > maxIssuers || i.sets["http://real"] == nil {
			t.Errorf("%d issuers, the real one among them: %v", len(i.sets), i.sets["http://real"] != nil)
		}
		if err := find("http://real"); err != nil || s.taken() != 0 {
			t.Errorf("the real issuer: %v", err)
		}
	})
}

func TestFetchesAreLimitedInNumber(t *testing.T) {
	s := newServer(t, "1")
	s.delay = time.Second
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		i := newIssuers(ctx, s, nil)
		var all sync.WaitGroup
		for n := range 3 * maxFetches {
			all.Go(func() { _, _ = i.at(fmt.Sprint("http://slow-", n)).find(t.Context(), "1", "ES256") })
		}
		time.Sleep(time.Second / 2)
		if n := s.taken(); n != maxFetches {
			t.Errorf("%d requests at once, want %d", n, maxFetches)
		}
		all.Wait()
	})
}
