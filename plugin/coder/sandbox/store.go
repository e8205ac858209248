package sandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"maps"
	"strings"
	"sync"
	"time"
)

// Coder's default lifetimes.
const (
	codeTTL    = 10 * time.Minute
	refreshTTL = 30 * 24 * time.Hour
)

// store has what Coder has in its database: for the one application, at most one code and one pair of tokens for each
// user, by user name.
type store struct {
	now       func() time.Time
	accessTTL time.Duration

	mu     sync.Mutex
	codes  map[string]code
	grants map[string]grant
}

// code is an authorization code with what its request said.
type code struct {
	secret      string
	user        user
	challenge   string // the S256 code challenge, or ""
	redirectURI string // as sent, or ""
	expires     time.Time
}

// grant is a user's pair of tokens.
type grant struct {
	user            user
	access, refresh string
	expires         time.Time // of the access token
	refreshExpires  time.Time
}

// addCode issues c and ends an earlier code of the same user.
func (s *store) addCode(c code) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.secret, c.expires = newSecret(), s.now().Add(codeTTL)
	s.codes[c.user.Username] = c
	return c.secret
}

// takeCode uses up a code, and reports whether it has not expired. The code is gone even if the request then fails.
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

// issue makes a pair of tokens and ends the user's old pair.
func (s *store) issue(u user) grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replace(u)
}

func (s *store) replace(u user) grant {
	now := s.now()
	g := grant{
		user: u, access: newSessionToken(), refresh: newSecret(),
		expires: now.Add(s.accessTTL), refreshExpires: now.Add(refreshTTL),
	}
	s.grants[u.Username] = g
	return g
}

// rotate exchanges a refresh token for a new pair of tokens, and ends the old pair.
func (s *store) rotate(refresh string) (grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.grants {
		if equal(g.refresh, refresh) && !s.now().After(g.refreshExpires) {
			return s.replace(g.user), nil
		}
	}
	return grant{}, errBadRefresh
}

// session returns the grant of an access token, which may have expired.
func (s *store) session(access string) (g grant, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.grants {
		if equal(g.access, access) {
			return g, true
		}
	}
	return grant{}, false
}

// revoke ends the pair of tokens that has token, an access or a refresh token (RFC 7009).
func (s *store) revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.grants, func(_ string, g grant) bool { return equal(g.access, token) || equal(g.refresh, token) })
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// newSecret returns a secret in the form of Coder's codes, refresh tokens and client secrets: coder_<prefix>_<secret>.
func newSecret() string { return "coder_" + letters(10) + "_" + letters(26) }

// newSessionToken returns a token in the form of Coder's API keys: <id>-<secret>.
func newSessionToken() string { return letters(10) + "-" + letters(22) }

// letters returns up to 26 random letters and digits, five bits each.
func letters(n int) string { return strings.ToLower(rand.Text()[:n]) }
