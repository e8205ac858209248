package upstream

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/understudy-host/understudy/pkg/memo"
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
// under way. It is safe for concurrent use.
type Sessions struct {
	mu      sync.Mutex // taken before that of memory
	running map[tokenKey]*flight
	memory  *memo.Value[memory]
}

// memory is what is known of renewals, sign-ins and sign-outs that are over. It outlives the process if the store does.
type memory struct {
	Recent map[tokenKey]remembered // by the refresh token that was spent, or the state that was
	Used   spent                   // sign-ins that have come back, and refresh tokens that a sign-out ended
}

// NewSessions returns the sessions of the application with that name, which the store remembers.
func NewSessions(store *memo.Store, application string) (*Sessions, error) {
	known, err := memo.Of(store, "sessions of "+application, func() memory { return memory{} })
	return &Sessions{running: make(map[tokenKey]*flight), memory: known}, err
}

// tokenKey is the hash of a secret, so that the keys of the maps hold none.
type tokenKey [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (k tokenKey) MarshalText() ([]byte, error) {
	return base64.RawStdEncoding.AppendEncode(nil, k[:]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *tokenKey) UnmarshalText(text []byte) error {
	raw, err := base64.RawStdEncoding.DecodeString(string(text))
	copy(k[:], raw)
	return err
}

// keyOf returns the key of a secret. kind keeps secrets of different kinds apart: a state is no refresh token.
func keyOf(kind, secret string) tokenKey { return sha256.Sum256([]byte(kind + "\n" + secret)) }

func refreshKey(token string) tokenKey { return keyOf("refresh token", token) }

// Renewal is what a refresh or a sign-in brought. Profile is nil if it could not be read.
type Renewal struct {
	Tokens  *Tokens
	Profile *Profile
}

// remembered is a renewal that late tabs get as well.
type remembered struct {
	Renewal
	Code  tokenKey // that was spent; zero for a refresh token
	Until time.Time
}

// Renew spends a refresh token and reads the user's profile. It returns both a renewal and an error if only the
// profile failed: the token may have been rotated, and the new one must not be lost. Once Coder has been asked, the work
// goes on when ctx ends.
func (s *Sessions) Renew(ctx context.Context, c *Client, refreshToken, scope string) (*Renewal, error) {
	key := refreshKey(refreshToken)
	return s.share(ctx, key, tokenKey{}, func(m *memory) (*Renewal, error) {
		if m.Used.has(key) { // a sign-out ended it, even if Coder did not revoke it
			return nil, ErrSignedOut
		}
		if r, ok := m.lookup(key); ok && r.Profile != nil {
			return &r.Renewal, nil
		}
		return nil, nil
	}, func(f *flight) (*Renewal, error) {
		ctx, release, err := c.Hold(f)
		if err != nil {
			return nil, err
		}
		defer release()
		var next Renewal
		var known bool
		s.memory.Do(func(m *memory) {
			var r remembered
			r, known = m.lookup(key)
			next = r.Renewal
		})
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

// lookup returns the outcome for a token or state that was spent a moment ago.
func (m *memory) lookup(key tokenKey) (r remembered, ok bool) {
	r, ok = m.Recent[key]
	if !ok || !time.Now().Before(r.Until) {
		return remembered{}, false
	}
	return r, true
}

// remember keeps an outcome until it expires. Expired ones are removed, since they hold tokens. At the limit another
// one is removed as well: only a late tab with its token loses its refresh.
func (m *memory) remember(key tokenKey, r remembered) {
	now := time.Now()
	maps.DeleteFunc(m.Recent, func(_ tokenKey, old remembered) bool {
		return len(m.Recent) >= maxRecent || now.After(old.Until)
	})
	if key == (tokenKey{}) {
		return
	}
	if m.Recent == nil {
		m.Recent = make(map[tokenKey]remembered)
	}
	m.Recent[key] = r
}

// Forget removes what is remembered of a refresh token that Coder has just issued, possibly again.
func (s *Sessions) Forget(refreshToken string) {
	s.memory.Do(func(m *memory) {
		delete(m.Recent, refreshKey(refreshToken))
		m.Used.remove(refreshKey(refreshToken))
	})
}

// End ends the session of a refresh token, which may be empty, and what the sign-ins with these states are about to
// bring or have just brought; a state is given by its SHA-256. It returns the refresh tokens to revoke. What is still
// under way is revoked when it comes.
func (s *Sessions) End(refreshToken string, states ...[]byte) (revoke []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.Do(func(m *memory) {
		revoke = nil
		for _, state := range states {
			if token := s.end(m, stateKey(state)); token != "" {
				revoke = append(revoke, s.endToken(m, token))
			}
		}
		if refreshToken != "" {
			revoke = append(revoke, s.endToken(m, refreshToken))
		}
	})
	return revoke
}

// Ended reports whether a sign-out ended the session of a refresh token, lately.
func (s *Sessions) Ended(refreshToken string) (ended bool) {
	s.memory.Do(func(m *memory) { ended = m.Used.has(refreshKey(refreshToken)) })
	return ended
}

// endToken ends a refresh token and those that followed it, and returns the last.
func (s *Sessions) endToken(m *memory, token string) string {
	for range maxRecent {
		m.Used.add(refreshKey(token))
		next := s.end(m, refreshKey(token))
		if next == "" || next == token {
			break
		}
		token = next
	}
	// Another tab's token may have led to this one too.
	maps.DeleteFunc(m.Recent, func(_ tokenKey, r remembered) bool { return r.Tokens.Refresh == token })
	return token
}

// end marks what is under way with key as ended, and forgets what it brought, of which it returns the refresh token.
func (s *Sessions) end(m *memory, key tokenKey) string {
	if f := s.running[key]; f != nil {
		f.ended = true
	}
	r, ok := m.lookup(key)
	delete(m.Recent, key)
	if !ok {
		return ""
	}
	return r.Tokens.Refresh
}
