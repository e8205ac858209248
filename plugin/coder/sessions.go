package coder

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// How long, and for how many tokens, the outcome of a rotation is remembered.
const (
	recentLife = 30 * time.Second
	maxRecent  = 1000
)

// sessions renews the sessions of one environment. Coder rotates refresh tokens, and the old one is dead at
// once: two tabs that refresh with the same token must share one request, and a tab that comes a moment later
// with the old one gets what the first one got. The zero value is ready to use.
type sessions struct {
	flights singleflight.Group
	mu      sync.Mutex
	recent  map[tokenKey]*renewal // by the token that was spent
}

// tokenKey is the hash of a refresh token: memory that is looked into holds no token as a key.
type tokenKey = [sha256.Size]byte

// renewal is the outcome of a refresh. profile is nil when it could not be read.
type renewal struct {
	tokens  *tokens
	profile *profile
	until   time.Time
}

// renew refreshes a session and reads its profile. When the profile cannot be read, both a renewal and an
// error are returned: the token may have been rotated all the same, and must not be lost. The work goes on
// when ctx ends, because others may be waiting for it.
func (s *sessions) renew(ctx context.Context, c *client, refreshToken, scope string) (*renewal, error) {
	key := sha256.Sum256([]byte(refreshToken))
	ctx = context.WithoutCancel(ctx)
	result, err, _ := s.flights.Do(string(key[:]), func() (any, error) {
		// What is remembered is taken as it is; only a profile that failed is asked for again.
		n := s.known(key)
		if n != nil && n.profile != nil {
			return n, nil
		}
		next := &renewal{}
		if n != nil {
			*next = *n
		} else {
			granted, err := c.refresh(ctx, refreshToken, scope)
			if err != nil {
				return nil, err
			}
			next.tokens = granted
			s.forget(granted.refresh)
		}
		var err error
		next.profile, err = c.profile(ctx, next.tokens.access)
		// From now on, and not from when Coder was asked: a Coder that is slow is when tabs come late.
		if next.until.IsZero() {
			next.until = time.Now().Add(recentLife)
		}
		if next.tokens.refresh != refreshToken {
			s.remember(key, next)
		}
		return next, err
	})
	n, _ := result.(*renewal)
	return n, err
}

// known returns what is remembered of a token that was spent a moment ago, or nil.
func (s *sessions) known(key tokenKey) *renewal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.recent[key]; n != nil && time.Now().Before(n.until) {
		return n
	}
	return nil
}

// remember keeps the outcome of a rotation until its time is up. Expired ones go, since they hold tokens, and at
// the limit others too: forgetting costs a late tab its refresh and nothing more.
func (s *sessions) remember(key tokenKey, n *renewal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.recent == nil {
		s.recent = make(map[tokenKey]*renewal)
	}
	for other, old := range s.recent {
		if len(s.recent) >= maxRecent || now.After(old.until) {
			delete(s.recent, other)
		}
	}
	s.recent[key] = n
}

// forget drops that a token was spent: Coder has just given it.
func (s *sessions) forget(refreshToken string) {
	key := sha256.Sum256([]byte(refreshToken))
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.recent, key)
}

// end forgets a session that is over, and returns its live refresh token: the one that was given for
// refreshToken, when that has just been spent.
func (s *sessions) end(refreshToken string) string {
	key := sha256.Sum256([]byte(refreshToken))
	if n := s.known(key); n != nil {
		refreshToken = n.tokens.refresh
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, n := range s.recent {
		if other == key || n.tokens.refresh == refreshToken {
			delete(s.recent, other)
		}
	}
	return refreshToken
}
