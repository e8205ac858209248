package sandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"maps"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/memo"
)

// Coder's default lifetimes.
const (
	codeTTL    = 10 * time.Minute
	refreshTTL = 30 * 24 * time.Hour
)

// store has what Coder has in its database, for the one application.
type store struct {
	now       func() time.Time
	accessTTL time.Duration
	state     *memo.Value[state]
}

// state is what a store keeps: at most one code and one pair of tokens for each user, by user name.
type state struct {
	Codes  map[string]code
	Grants map[string]grant
}

// newStore returns a store that goes on with what is kept in the memo.
func newStore(o Options) (*store, error) {
	kept, err := memo.Of(o.Memo, "database", func() state { return state{map[string]code{}, map[string]grant{}} })
	return &store{now: o.Now, accessTTL: o.AccessTokenTTL, state: kept}, err
}

// code is an authorization code with what its request said.
type code struct {
	Secret      string
	User        user
	Challenge   string // the S256 code challenge, or ""
	RedirectURI string // as sent, or ""
	Expires     time.Time
}

// grant is a user's pair of tokens.
type grant struct {
	User            user
	Access, Refresh string
	Expires         time.Time // of the access token
	RefreshExpires  time.Time
}

// addCode issues c and ends an earlier code of the same user.
func (s *store) addCode(c code) string {
	c.Secret, c.Expires = newSecret(), s.now().Add(codeTTL)
	s.state.Do(func(d *state) { d.Codes[c.User.Username] = c })
	return c.Secret
}

// takeCode uses up a code, and reports whether it has not expired. The code is gone even if the request then fails.
func (s *store) takeCode(secret string) (found code, valid bool) {
	s.state.Do(func(d *state) {
		found, valid = code{}, false
		for name, c := range d.Codes {
			if equal(c.Secret, secret) {
				delete(d.Codes, name)
				found, valid = c, !s.now().After(c.Expires)
			}
		}
	})
	return found, valid
}

// issue makes a pair of tokens and ends the user's old pair.
func (s *store) issue(u user) (g grant) {
	s.state.Do(func(d *state) { g = s.replace(d, u) })
	return g
}

func (s *store) replace(d *state, u user) grant {
	now := s.now()
	g := grant{
		User: u, Access: newSessionToken(), Refresh: newSecret(),
		Expires: now.Add(s.accessTTL), RefreshExpires: now.Add(refreshTTL),
	}
	d.Grants[u.Username] = g
	return g
}

// rotate exchanges a refresh token for a new pair of tokens, and ends the old pair.
func (s *store) rotate(refresh string) (next grant, err error) {
	s.state.Do(func(d *state) {
		next, err = grant{}, errBadRefresh
		for _, g := range d.Grants {
			if equal(g.Refresh, refresh) && !s.now().After(g.RefreshExpires) {
				next, err = s.replace(d, g.User), nil
			}
		}
	})
	return next, err
}

// session returns the grant of an access token, which may have expired.
func (s *store) session(access string) (found grant, known bool) {
	s.state.Do(func(d *state) {
		found, known = grant{}, false
		for _, g := range d.Grants {
			if equal(g.Access, access) {
				found, known = g, true
			}
		}
	})
	return found, known
}

// revoke ends the pair of tokens that has token, an access or a refresh token (RFC 7009).
func (s *store) revoke(token string) {
	s.state.Do(func(d *state) {
		maps.DeleteFunc(d.Grants, func(_ string, g grant) bool { return equal(g.Access, token) || equal(g.Refresh, token) })
	})
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// newSecret returns a secret in the form of Coder's codes, refresh tokens and client secrets: coder_<prefix>_<secret>.
func newSecret() string { return "coder_" + letters(10) + "_" + letters(26) }

// newSessionToken returns a token in the form of Coder's API keys: <id>-<secret>.
func newSessionToken() string { return letters(10) + "-" + letters(22) }

// letters returns up to 26 random letters and digits, five bits each.
func letters(n int) string { return strings.ToLower(rand.Text()[:n]) }
