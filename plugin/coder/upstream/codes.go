package upstream

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// How long, and for how many sign-ins, it is known that they have come back. Coder's codes live for ten minutes.
const (
	usedLife = 10 * time.Minute
	maxUsed  = 5000
)

// ErrUsed is the error of a sign-in whose code has been spent here before. Coder is not asked.
var ErrUsed = errors.New("the code has been used")

// Code is what is needed to spend a code.
type Code struct {
	Code        string
	Verifier    string // PKCE; empty if a legacy frontend asked for the code, which sends no challenge
	RedirectURI string // that the code was asked for with (RFC 6749, section 4.1.3)
	State       []byte // SHA-256 of the state
	Foreign     bool   // the sign-in was not begun here: nothing proves that two requests come from one browser
	Accept      string // the Accept header of the call
	Profile     bool   // whether to read the user's profile as well
}

// Redeem spends a code, once. Requests with the same code and state at the same moment, and those that come a moment
// later, get the same result; the caller has made sure that their browser holds the sign-in. For a code whose
// sign-in was begun elsewhere there is no such proof: it is ErrUsed. If only the profile fails, Redeem returns both a
// renewal and an error. Once Coder has been asked, the work goes on when ctx ends.
func (s *Sessions) Redeem(ctx context.Context, c *Client, code Code) (*Renewal, error) {
	id, spent := stateKey(code.State), keyOf("code", code.Code)
	if code.Foreign {
		id, spent = keyOf("code", code.Code+"\n"+string(code.State)), keyOf("nobody else's", rand.Text())
	}
	admit := func(m *memory) (*Renewal, error) {
		if r, ok := m.lookup(id); ok && r.Code == spent && (r.Profile != nil || !code.Profile) {
			return &r.Renewal, nil
		}
		if m.Used.has(id) {
			return nil, ErrUsed
		}
		m.Used.add(id)
		return nil, nil
	}
	work := func(f *flight) (*Renewal, error) {
		ctx, release, err := c.Hold(f)
		if err != nil {
			s.forgetCode(id)
			return nil, err
		}
		defer release()
		r := Renewal{}
		if r.Tokens, err = c.exchange(ctx, code); err != nil {
			if From(err).NotAsked() {
				s.forgetCode(id)
			}
			return nil, err
		}
		s.Forget(r.Tokens.Refresh)
		if code.Profile {
			r.Profile, err = c.Profile(ctx, r.Tokens.Access)
		}
		if code.Foreign {
			return &r, err
		}
		if !s.settle(f, id, r) {
			_ = c.Revoke(ctx, r.Tokens.Refresh)
			return nil, ErrSignedOut
		}
		return &r, err
	}
	return s.share(ctx, id, spent, admit, work)
}

// forgetCode makes a sign-in as if it had never come back, since Coder has not been asked.
func (s *Sessions) forgetCode(id tokenKey) {
	s.memory.Do(func(m *memory) { m.Used.remove(id) })
}

// stateKey returns the key of a sign-in by the SHA-256 of its state.
func stateKey(state []byte) tokenKey { return keyOf("state", string(state)) }

// spent knows what must not be used again, for usedLife at least unless there are very many. It is two
// generations, so that nothing needs to be searched for what is old.
type spent struct {
	Since        time.Time
	Newer, Older map[tokenKey]struct{}
}

func (s *spent) has(key tokenKey) bool {
	_, newer := s.Newer[key]
	_, older := s.Older[key]
	return newer || older
}

func (s *spent) add(key tokenKey) {
	if now := time.Now(); s.Newer == nil || now.Sub(s.Since) > usedLife || len(s.Newer) >= maxUsed {
		s.Newer, s.Older, s.Since = make(map[tokenKey]struct{}), s.Newer, now
	}
	s.Newer[key] = struct{}{}
}

func (s *spent) remove(key tokenKey) {
	delete(s.Newer, key)
	delete(s.Older, key)
}
