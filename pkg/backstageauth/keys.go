package backstageauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// The limits of the keys of an issuer.
const (
	keysAge      = 10 * time.Minute // how long keys are used before they are fetched again, as in Backstage
	keysGrace    = time.Hour        // how much longer they are used if the issuer does not answer
	fetchTimeout = 5 * time.Second
	maxKeys      = 100

	// An unknown key ID makes the keys be fetched at once, but not more often than this.
	fetchBurst    = 10
	fetchInterval = 6 * time.Second
)

var (
	errUnknownKey = errors.New("the issuer has no such key")
	errAmbiguous  = errors.New("the issuer has several such keys, and the token does not name one")
	errTooOften   = errors.New("the issuer was asked for its keys too often")
	errNoKeys     = errors.New("the issuer has never shown its keys")
)

// keySet holds the keys of one issuer. They are fetched by one request at a time: when there are none, when they are
// old, and when a token names another one.
type keySet struct {
	url    string // may be an SRV URL
	get    func(ctx context.Context, url string) ([]jose.JSONWebKey, error)
	asking *budget         // for all issuers that have never shown their keys
	life   context.Context // ends all fetches

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time     // when, or zero
	err     error         // of the last fetch
	flight  chan struct{} // closed when the fetch under way is done
	budget  *budget
}

// find returns the key for a token's header. It waits for a fetch if it has no such key, or an old one. While the issuer
// does not answer, old keys are used for an hour, and it is asked again in the background.
func (s *keySet) find(ctx context.Context, kid, alg string) (any, error) {
	s.mu.Lock()
	key, err := s.pick(kid, alg)
	if fresh := time.Since(s.fetched) < keysAge; fresh && !errors.Is(err, errUnknownKey) {
		s.mu.Unlock()
		return key, err
	}
	down := s.err != nil
	flight := s.fetch()
	s.mu.Unlock()
	if err == nil && (down || flight == nil) {
		return key, nil
	}
	if flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if key, err = s.pick(kid, alg); err == nil {
		return key, nil
	}
	if flight == nil {
		err = errors.Join(err, errTooOften)
	}
	if s.fetched.IsZero() {
		err = errNoKeys
	}
	if s.err != nil {
		err = fmt.Errorf("%w: %w", err, s.err)
	}
	return nil, err
}

// pick returns the one key that a token of this header may be signed with, as npm's jose does. The key ID is compared,
// and used for nothing else. The caller holds the lock.
func (s *keySet) pick(kid, alg string) (key any, err error) {
	if time.Since(s.fetched) >= keysAge+keysGrace {
		return nil, errUnknownKey
	}
	for _, k := range s.keys {
		if kid != "" && kid != k.KeyID || k.Algorithm != "" && k.Algorithm != alg || !fits(k.Key, alg) {
			continue
		}
		if key != nil {
			return nil, errAmbiguous
		}
		key = k.Key
	}
	if key == nil {
		return nil, errUnknownKey
	}
	return key, nil
}

// fetch begins to fetch the keys, and returns a channel that tells when it is done: of the fetch that is under way, if
// there is one. It returns nil if the budget is used up. The caller holds the lock.
func (s *keySet) fetch() chan struct{} {
	if s.flight != nil {
		return s.flight
	}
	if s.fetched.IsZero() && !s.asking.take(time.Now()) || !s.budget.take(time.Now()) {
		return nil
	}
	done := make(chan struct{})
	s.flight = done
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(s.life, fetchTimeout)
		defer cancel()
		keys, err := s.get(ctx, s.url)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.flight, s.err = nil, err; err == nil {
			s.keys, s.fetched = keys, time.Now()
		}
	}()
	return done
}

// fits reports whether a key is one for the algorithm.
func fits(key any, alg string) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		switch alg {
		case "ES256":
			return key.Curve == elliptic.P256()
		case "ES384":
			return key.Curve == elliptic.P384()
		case "ES512":
			return key.Curve == elliptic.P521()
		}
	case ed25519.PublicKey:
		return alg == string(jose.EdDSA)
	}
	return false
}

// minRSA is the length of the shortest RSA key, as for npm's jose.
const minRSA = 2048

// parseKeys reads a JSON Web Key Set. Keys that cannot verify a signature here, such as those of another kind, are left
// out.
func parseKeys(data []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil || set.Keys == nil {
		return nil, errors.New("the answer is not a JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the answer has more than %d keys", maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		var use struct {
			Ops []string `json:"key_ops"`
		}
		if key.UnmarshalJSON(text) != nil || json.Unmarshal(text, &use) != nil || !key.IsPublic() || !key.Valid() {
			continue
		}
		long, isRSA := key.Key.(*rsa.PublicKey)
		if isRSA && long.N.BitLen() < minRSA || key.Use != "" && key.Use != "sig" || use.Ops != nil && !slices.Contains(use.Ops, "verify") {
			continue
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// empty reports whether the issuer has never shown its keys.
func (s *keySet) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched.IsZero()
}
