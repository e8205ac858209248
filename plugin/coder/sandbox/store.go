package sandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"strings"
	"sync"
	"time"
)

// refreshTTL is Coder's default lifetime of a refresh token.
const refreshTTL = 30 * 24 * time.Hour

var (
	errUnknownToken = errors.New("unknown token")
	errExpiredToken = errors.New("expired token")
)

// store holds what Coder has in its database: for the one application at most one code and one pair of tokens
// for each user, by user name.
type store struct {
	now                func() time.Time
	codeTTL, accessTTL time.Duration

	mu     sync.Mutex
	codes  map[string]code
	grants map[string]grant
}

// code is an authorization code and what it was asked for with.
type code struct {
	secret      string
	user        user
	challenge   string // the S256 code challenge, or ""
	redirectURI string // as the request gave it, or ""
	resource    string
	expires     time.Time
}

// grant is a user's pair of tokens.
type grant struct {
	user            user
	access, refresh string
	resource        string
	expires         time.Time // of the access token
	refreshExpires  time.Time
}

func newStore(o Options) *store {
	return &store{
		now: o.Now, codeTTL: o.CodeTTL, accessTTL: o.AccessTokenTTL,
		codes: map[string]code{}, grants: map[string]grant{},
	}
}

// addCode issues c and ends an earlier code of the same user.
func (s *store) addCode(c code) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.secret, c.expires = newSecret(), s.now().Add(s.codeTTL)
	s.codes[c.user.Username] = c
	return c.secret
}

// takeCode spends a code. It is gone afterwards, whatever the caller then finds wrong with the request.
func (s *store) takeCode(secret string) (code, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.codes {
		if equal(c.secret, secret) {
			delete(s.codes, name)
			return c, !s.now().After(c.expires)
		}
	}
	return code{}, false
}

// issue makes a pair of tokens and ends the user's former one.
func (s *store) issue(u user, resource string) grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replace(u, resource)
}

func (s *store) replace(u user, resource string) grant {
	now := s.now()
	g := grant{
		user: u, access: newSessionToken(), refresh: newSecret(), resource: resource,
		expires: now.Add(s.accessTTL), refreshExpires: now.Add(refreshTTL),
	}
	s.grants[u.Username] = g
	return g
}

// rotate exchanges a refresh token for a new pair; both old tokens are dead afterwards.
func (s *store) rotate(refresh, resource string) (grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.grants {
		switch {
		case !equal(g.refresh, refresh):
			continue
		case s.now().After(g.refreshExpires):
			return grant{}, errBadRefresh
		case resource != "" && resource != g.resource:
			return grant{}, errInvalidResource
		}
		return s.replace(g.user, g.resource), nil
	}
	return grant{}, errBadRefresh
}

// session finds the grant of an access token.
func (s *store) session(access string) (grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.grants {
		if equal(g.access, access) {
			if s.now().After(g.expires) {
				return g, errExpiredToken
			}
			return g, nil
		}
	}
	return grant{}, errUnknownToken
}

// revoke ends the pair that token, an access or a refresh token, belongs to (RFC 7009).
func (s *store) revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, g := range s.grants {
		if equal(g.access, token) || equal(g.refresh, token) {
			delete(s.grants, name)
		}
	}
}

// forget ends all that the application holds for a user.
func (s *store) forget(u user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.codes, u.Username)
	delete(s.grants, u.Username)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// newSecret has the form of Coder's codes, refresh tokens and client secrets: coder_<prefix>_<secret>.
func newSecret() string { return "coder_" + letters(10) + "_" + letters(40) }

// newSessionToken has the form of Coder's API keys: <id>-<secret>.
func newSessionToken() string { return letters(10) + "-" + letters(22) }

// letters returns n random letters and digits, five bits each.
func letters(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(strings.ToLower(rand.Text()))
	}
	return b.String()[:n]
}
