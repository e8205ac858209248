package coder

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/seal"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// The cookies of a session beside Backstage's, which is the refresh token. That one has its published name and plain
// value, so that sessions survive the change from a Node backend and back.
const (
	// bindingCookie binds the refresh token to the environment that it was issued for, and tells what belongs to it.
	// Over https it has the prefix "__Host-", over http the other name: oldBinding has the plain one.
	bindingCookie = "coder-refresh-state"
	plainBinding  = "coder-refresh-binding"
	// oldBinding is what the release before reads and writes. It is read and written for one release, so that a session
	// lasts through a change of the release and back, and among replicas of both.
	oldBinding = "coder-refresh-state"
	// accessCookie is the access token, sealed.
	accessCookie = "coder-access-token"
)

// sessionResponse is Backstage's OAuthResponse, which the app gets from a sign-in and a refresh.
type sessionResponse struct {
	Profile      profileInfo  `json:"profile"`
	ProviderInfo providerInfo `json:"providerInfo"`

	Identity json.RawMessage `json:"backstageIdentity,omitempty"` // as the Node backend gave it
}

// profileInfo is Backstage's ProfileInfo.
type profileInfo struct {
	Email       string `json:"email,omitempty"`
	Picture     string `json:"picture,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
}

// providerInfo is the part of the response about Coder's token.
type providerInfo struct {
	IDToken     string `json:"idToken,omitempty"`
	AccessToken string `json:"accessToken"`
	Scope       string `json:"scope"`
	ExpiresIn   any    `json:"expiresInSeconds,omitempty"` // as Coder wrote it
}

// newSessionResponse returns the response for the app. The refresh token is not part of it.
func newSessionResponse(t *upstream.Tokens, p *upstream.Profile) sessionResponse {
	return sessionResponse{
		Profile:      profileInfo{Email: p.Email, Picture: p.AvatarURL, DisplayName: p.DisplayName()},
		ProviderInfo: providerInfo{t.ID, t.Access, strings.Join(splitScope(t.Scope), " "), t.ExpiresIn},
	}
}

// stateLife is how long a session knows the state that it was made with.
const stateLife = 10 * time.Minute

// session is what a browser holds of a sign-in.
type session struct {
	refresh    string
	bound      bool     // a sealed binding names the refresh token
	access     [16]byte // begins the SHA-256 of the access token's cookie; zero if there is none
	state      [sha256.Size]byte
	stateUntil int64 // Unix seconds until which state is the one that made the session
}

// pack returns what is sealed of a session's binding.
func (s session) pack() []byte {
	sum := sha256.Sum256([]byte(s.refresh))
	text := append(sum[:], s.access[:]...)
	text = binary.BigEndian.AppendUint32(text, uint32(s.stateUntil)) //nolint:gosec // until the year 2106
	return append(text, s.state[:]...)
}

// madeBy reports whether the session was made with this state, lately.
func (s session) madeBy(state string) bool {
	sum := sha256.Sum256([]byte(state))
	return s.bound && s.state == sum && time.Now().Unix() < s.stateUntil
}

// openBinding completes s with what the binding's text says, if it is about one of tokens. The old form is the hash alone.
func (s *session) openBinding(text []byte, tokens []string) bool {
	i := slices.IndexFunc(tokens, func(token string) bool {
		sum := sha256.Sum256([]byte(token))
		return token != "" && bytes.HasPrefix(text, sum[:])
	})
	if i < 0 {
		return false
	}
	*s = session{refresh: tokens[i], bound: true}
	if rest := text[sha256.Size:]; len(rest) == len(s.access)+4+len(s.state) {
		rest = rest[copy(s.access[:], rest):]
		s.stateUntil = int64(binary.BigEndian.Uint32(rest))
		copy(s.state[:], rest[4:])
	}
	return true
}

// bindingNames are the names of the cookies with a binding, the best one first.
var bindingNames = [...]string{hostPrefix + bindingCookie, plainBinding, oldBinding}

// boundSession returns the session of e that a binding names: its refresh token is the one that the binding is about,
// wherever it stands among those sent. foreign reports whether there was a binding that does not open: one for another
// environment, deployment or client.
func (h *handler) boundSession(sent cookies, e *environment, tokens []string) (s session, foreign, ok bool) {
	for _, name := range bindingNames {
		for _, value := range sent[name] {
			text, err := h.ring.Open(value, e.binding())
			if err == nil && s.openBinding(text, tokens) {
				return s, false, true
			}
			foreign = foreign || errors.Is(err, seal.ErrInvalid) && value != ""
		}
	}
	return s, foreign, false
}

// session returns what was sent of a session that belongs to e. A token without a readable binding comes from a Node
// backend, or from before a restart with random keys: it belongs to the environment that Backstage's frontend uses, or
// to the only one.
func (h *handler) session(sent cookies, e *environment) (s session, ok bool) {
	tokens := sent.all(refreshCookie)
	s, foreign, ok := h.boundSession(sent, e, tokens)
	if ok || tokens[0] == "" {
		return s, ok
	}
	// Of two tokens, nobody can tell which one is this host's if the binding cannot be read. Without one, the first is it, as
	// for a Node backend.
	doubled := slices.ContainsFunc(bindingNames[:], func(name string) bool { return sent.first(name) != "" }) && slices.ContainsFunc(sent[refreshCookie], func(token string) bool { return token != sent[refreshCookie][0] })
	switch {
	case h.relay.Owns(tokens[0]): // never sent to Coder
		h.log.Warn("a handle for the Node backend came in place of a refresh token: understudy.identity.target leads back to this backend",
			zap.String("env", e.name))
	case foreign, len(h.environments) > 1 && e.name != h.settings.mainEnv:
		h.log.Warn("refresh token of another environment refused", zap.String("env", e.name))
	case doubled:
		h.log.Warn("two refresh tokens were sent, and no binding tells which one is this host's: both refused; "+
			"a new sign-in helps", zap.String("env", e.name))
	case h.settings.requireBinding:
		h.log.Warn("refresh token without a binding refused (coder.oauth.requireBinding)", zap.String("env", e.name))
	default:
		return session{refresh: tokens[0]}, true
	}
	return s, false
}

// setSession stores what Coder has just issued for these scopes, and binds it to the environment. s is the session
// so far, of which the state is kept.
func (h *handler) setSession(j *cookieJar, e *environment, s session, t *upstream.Tokens, asked string) {
	if t.Refresh != s.refresh {
		// A deployment that does not rotate may issue a token again that was spent before.
		e.Forget(t.Refresh)
		j.set(refreshCookie, t.Refresh, j.policy.sessionPath, e.app.session)
	}
	kept := session{refresh: t.Refresh, bound: true}
	if time.Now().Unix() < s.stateUntil {
		kept.state, kept.stateUntil = s.state, s.stateUntil
	}
	if line, sealed := h.accessLine(j, e, t, asked); line != "" {
		j.header.Add("Set-Cookie", line)
		sum := sha256.Sum256([]byte(sealed))
		kept.access = [16]byte(sum[:])
	} else {
		j.clear(accessCookie, j.policy.sessionPath)
		if t.Refresh == s.refresh && s.bound && s.access == kept.access && s.stateUntil == kept.stateUntil {
			return // the browser has all of it
		}
	}
	name, path := plainBinding, j.policy.sessionPath
	if j.policy.secure {
		name, path = j.policy.own(bindingCookie, path)
	}
	sum := sha256.Sum256([]byte(t.Refresh))
	h.writeBinding(j, e, name, path, kept.pack())
	h.writeBinding(j, e, oldBinding, j.policy.sessionPath, sum[:])
}

// writeBinding writes one binding. Expires alone limits it, as in the release before.
func (h *handler) writeBinding(j *cookieJar, e *environment, name, path string, text []byte) {
	c := j.policy.cookie(name, h.ring.Seal(text, e.binding()), path, e.app.session) //nolint:gosec // as in cookie
	c.MaxAge = 0
	express.SetCookie(j.header, c)
}

// clearSession removes the cookies of a session that were sent.
func clearSession(j *cookieJar) {
	for _, name := range append([]string{refreshCookie, accessCookie}, bindingNames[:]...) {
		path := j.policy.sessionPath
		if strings.HasPrefix(name, hostPrefix) {
			path = "/"
		}
		j.clear(name, path)
	}
}

// maxAccessLine is the longest Set-Cookie line of an access token, in bytes: browsers drop longer ones.
const maxAccessLine = 4000

// access is what the cookie of an access token holds.
type access struct {
	Token   string `json:"t"`
	ID      string `json:"i,omitempty"`
	Scope   string `json:"s,omitempty"` // as Coder wrote it
	Asked   string `json:"a,omitempty"` // the scopes that Coder was asked for
	Since   int64  `json:"n"`           // Unix seconds
	Expires int64  `json:"x"`           // Unix seconds
}

// accessContext is what an access token is sealed for: it opens with the refresh token that came with it.
func (e *environment) accessContext(refreshToken string) string {
	sum := sha256.Sum256([]byte(refreshToken))
	return strings.Join([]string{accessCookie, e.binding(), hex.EncodeToString(sum[:])}, "\n")
}

// accessLine returns the Set-Cookie line that keeps an access token, and the value in it. It is "" for one that browsers
// would not keep, and for one whose life is not known.
func (h *handler) accessLine(j *cookieJar, e *environment, t *upstream.Tokens, asked string) (line, sealed string) {
	life := t.Life()
	if life == 0 || h.settings.rotateAfter < 0 {
		return "", ""
	}
	now := time.Now()
	text, _ := json.Marshal(access{t.Access, t.ID, t.Scope, asked, now.Unix(), now.Add(life).Unix()}) // cannot fail
	sealed = h.ring.Seal(text, e.accessContext(t.Refresh))
	c := j.policy.cookie(accessCookie, sealed, j.policy.sessionPath, min(life, e.app.session)) //nolint:gosec // as in cookie
	if line = express.CookieLine(c); len(line) > maxAccessLine {
		return "", ""
	}
	return line, sealed
}

// keptAccess returns the access token of a session if it is young enough to be given again, and if no scope is wanted
// that Coder was not asked for.
func (h *handler) keptAccess(sent cookies, e *environment, s session, wanted string) (tokens *upstream.Tokens, ok bool) {
	for _, value := range sent[accessCookie] {
		sum := sha256.Sum256([]byte(value))
		if !s.bound || !bytes.Equal(sum[:len(s.access)], s.access[:]) {
			continue // no binding names it
		}
		text, err := h.ring.Open(value, e.accessContext(s.refresh))
		var a access
		if err != nil || json.Unmarshal(text, &a) != nil {
			continue
		}
		now := time.Now().Unix()
		life, left := seconds(a.Expires-a.Since), seconds(a.Expires-now)
		if seconds(now-a.Since) >= h.settings.rotation(life) || left <= min(earlyRefresh, life/2) || now < a.Since {
			continue
		}
		asked := strings.Fields(a.Asked)
		if slices.ContainsFunc(strings.Fields(wanted), func(scope string) bool { return !slices.Contains(asked, scope) }) {
			continue
		}
		return &upstream.Tokens{Access: a.Token, Refresh: s.refresh, ID: a.ID, Scope: a.Scope, ExpiresIn: int64(left / time.Second)}, true
	}
	return nil, false
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// earlyRefresh is how long before its end Backstage's frontend wants a new token, at each use of it.
const earlyRefresh = 5 * time.Minute

// rotation returns the age at which a token of this life is replaced.
func (s *settings) rotation(life time.Duration) time.Duration {
	if s.rotateAfter != 0 {
		return s.rotateAfter
	}
	return min(time.Hour, life/2)
}
