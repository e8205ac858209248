package upstream

import (
	"context"
	"crypto/sha256"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// How long, and for how many tokens, the outcome of a rotation is remembered.
const (
	recentLife = 30 * time.Second
	maxRecent  = 1000
)

// Sessions renews the sessions of one environment. Coder rotates refresh tokens, and the old one is invalid at
// once: tabs that refresh with the same token at the same time share one request, and a tab that comes a moment
// later with the old token gets the same result. The zero value is ready to use. It is safe for concurrent use.
type Sessions struct {
	flights singleflight.Group
	mu      sync.Mutex
	recent  map[tokenKey]Renewal // by the token that was spent
}

// tokenKey is the hash of a refresh token, so that the keys of the map hold no tokens.
type tokenKey = [sha256.Size]byte

// Renewal is the result of a refresh. Profile is nil if it could not be read.
type Renewal struct {
	Tokens  *Tokens
	Profile *Profile
	until   time.Time
}

// Renew spends a refresh token and reads the user's profile. It returns both a renewal and an error if only the
// profile failed: the token may have been rotated, and the new one must not be lost. The work goes on when ctx
// ends, because other callers may be waiting for it.
func (s *Sessions) Renew(ctx context.Context, c *Client, refreshToken, scope string) (*Renewal, error) {
	key := sha256.Sum256([]byte(refreshToken))
	ctx = context.WithoutCancel(ctx)
	result, err, _ := s.flights.Do(string(key[:]), func() (any, error) {
		next, known := s.lookup(key)
		if !known {
			tokens, err := c.refresh(ctx, refreshToken, scope)
			if err != nil {
				return nil, err
			}
			s.Forget(tokens.Refresh)
			next.Tokens = tokens
		}
		if next.Profile != nil {
			return &next, nil
		}
		profile, err := c.Profile(ctx, next.Tokens.Access)
		next.Profile = profile
		// The time starts after the calls: while Coder is slow, tabs come late.
		if !known {
			next.until = time.Now().Add(recentLife)
		}
		if next.Tokens.Refresh != refreshToken {
			s.remember(key, next)
		}
		return &next, err
	})
	renewal, _ := result.(*Renewal)
	return renewal, err
}

// lookup returns the renewal for a token that was spent a moment ago.
func (s *Sessions) lookup(key tokenKey) (r Renewal, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok = s.recent[key]
	if !ok || !time.Now().Before(r.until) {
		return Renewal{}, false
	}
	return r, true
}

// remember keeps a renewal until it expires. Expired ones are removed, since they hold tokens. At the limit another
// one is removed as well: only a late tab with its token loses its refresh.
func (s *Sessions) remember(key tokenKey, r Renewal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.recent == nil {
		s.recent = make(map[tokenKey]Renewal)
	}
	maps.DeleteFunc(s.recent, func(_ tokenKey, old Renewal) bool {
		return len(s.recent) >= maxRecent || now.After(old.until)
	})
	s.recent[key] = r
}

// Forget removes what is remembered of a refresh token that Coder has just issued, possibly again.
func (s *Sessions) Forget(refreshToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.recent, sha256.Sum256([]byte(refreshToken)))
}

// End forgets a session that is over, and returns its valid refresh token: the one that was issued for
// refreshToken, if that was spent a moment ago, and refreshToken otherwise.
func (s *Sessions) End(refreshToken string) string {
	key := sha256.Sum256([]byte(refreshToken))
	if r, ok := s.lookup(key); ok {
		refreshToken = r.Tokens.Refresh
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.recent, func(other tokenKey, r Renewal) bool {
		return other == key || r.Tokens.Refresh == refreshToken
	})
	return refreshToken
}
