package upstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"sync"
	"time"
)

// How long, and for how many tokens and sign-ins, an outcome is remembered.
const (
	recentLife = 30 * time.Second
	maxRecent  = 1000
)

// ErrSignedOut is the error of a renewal or a sign-in during which the user signed out. What it brought has been revoked.
var ErrSignedOut = errors.New("the user signed out meanwhile")

// Sessions renews the sessions of one application, and begins them. Coder rotates refresh tokens, and the old one is
// invalid at once: tabs that refresh with the same token at the same time share one request, and a tab that comes a
// moment later with the old token gets the same result. A code is sent to Coder once. A sign-out wins over all that is
// under way. The zero value is ready to use. It is safe for concurrent use.
type Sessions struct {
	mu      sync.Mutex
	running map[tokenKey]*flight
	recent  map[tokenKey]Renewal // by the refresh token that was spent, or the state that was
	used    spent                // sign-ins that have come back, and refresh tokens that a sign-out ended
}

// tokenKey is the hash of a secret, so that the keys of the maps hold none.
type tokenKey = [sha256.Size]byte

// keyOf returns the key of a secret. kind keeps secrets of different kinds apart: a state is no refresh token.
func keyOf(kind, secret string) tokenKey { return sha256.Sum256([]byte(kind + "\n" + secret)) }

func refreshKey(token string) tokenKey { return keyOf("refresh token", token) }

// Renewal is what a refresh or a sign-in brought. Profile is nil if it could not be read.
type Renewal struct {
	Tokens  *Tokens
	Profile *Profile
	code    tokenKey // that was spent; zero for a refresh token
	until   time.Time
}

// Renew spends a refresh token and reads the user's profile. It returns both a renewal and an error if only the
// profile failed: the token may have been rotated, and the new one must not be lost. Once Coder has been asked, the work
// goes on when ctx ends.
func (s *Sessions) Renew(ctx context.Context, c *Client, refreshToken, scope string) (*Renewal, error) {
	key := refreshKey(refreshToken)
	return s.share(ctx, key, tokenKey{}, func() (*Renewal, error) {
		if s.used.has(key) { // a sign-out ended it, even if Coder did not revoke it
			return nil, ErrSignedOut
		}
		if r, ok := s.lookup(key); ok && r.Profile != nil {
			return &r, nil
		}
		return nil, nil
	}, func(f *flight) (*Renewal, error) {
		ctx, release, err := c.Hold(f)
		if err != nil {
			return nil, err
		}
		defer release()
		s.mu.Lock()
		next, known := s.lookup(key)
		s.mu.Unlock()
		if !known {
			if next.Tokens, err = c.refresh(ctx, refreshToken, scope); err != nil {
				return nil, err
			}
			s.Forget(next.Tokens.Refresh)
		}
		next.Profile, err = c.Profile(ctx, next.Tokens.Access)
		if next.Tokens.Refresh == refreshToken {
			key = tokenKey{} // it stays valid, and is not to be answered from memory
		}
		if !s.settle(f, key, next) {
			_ = c.Revoke(ctx, next.Tokens.Refresh)
			return nil, ErrSignedOut
		}
		return &next, err
	})
}

// lookup returns the outcome for a token or state that was spent a moment ago. s.mu must be held.
func (s *Sessions) lookup(key tokenKey) (r Renewal, ok bool) {
	r, ok = s.recent[key]
	if !ok || !time.Now().Before(r.until) {
		return Renewal{}, false
	}
	return r, true
}

// remember keeps an outcome until it expires. Expired ones are removed, since they hold tokens. At the limit another
// one is removed as well: only a late tab with its token loses its refresh. s.mu must be held.
func (s *Sessions) remember(key tokenKey, r Renewal) {
	now := time.Now()
	maps.DeleteFunc(s.recent, func(_ tokenKey, old Renewal) bool {
		return len(s.recent) >= maxRecent || now.After(old.until)
	})
	if key == (tokenKey{}) {
		return
	}
	if s.recent == nil {
		s.recent = make(map[tokenKey]Renewal)
	}
	s.recent[key] = r
}

// Forget removes what is remembered of a refresh token that Coder has just issued, possibly again.
func (s *Sessions) Forget(refreshToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.recent, refreshKey(refreshToken))
	s.used.remove(refreshKey(refreshToken))
}

// End ends the session of a refresh token, which may be empty, and what the sign-ins with these states are about to
// bring or have just brought; a state is given by its SHA-256. It returns the refresh tokens to revoke. What is still
// under way is revoked when it comes.
func (s *Sessions) End(refreshToken string, states ...[]byte) (revoke []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range states {
		if token := s.end(stateKey(state)); token != "" {
			revoke = append(revoke, s.endToken(token))
		}
	}
	if refreshToken != "" {
		revoke = append(revoke, s.endToken(refreshToken))
	}
	return revoke
}

// Ended reports whether a sign-out in this process ended the session of a refresh token, lately.
func (s *Sessions) Ended(refreshToken string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used.has(refreshKey(refreshToken))
}

// endToken ends a refresh token and those that followed it, and returns the last.
func (s *Sessions) endToken(token string) string {
	for range maxRecent {
		s.used.add(refreshKey(token))
		next := s.end(refreshKey(token))
		if next == "" || next == token {
			break
		}
		token = next
	}
	// Another tab's token may have led to this one too.
	maps.DeleteFunc(s.recent, func(_ tokenKey, r Renewal) bool { return r.Tokens.Refresh == token })
	return token
}

// end marks what is under way with key as ended, and forgets what it brought, of which it returns the refresh token.
func (s *Sessions) end(key tokenKey) string {
	if f := s.running[key]; f != nil {
		f.ended = true
	}
	r, ok := s.lookup(key)
	delete(s.recent, key)
	if !ok {
		return ""
	}
	return r.Tokens.Refresh
}
