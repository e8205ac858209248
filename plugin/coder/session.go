package coder

import (
	"crypto/sha256"
	"errors"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/seal"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// bindingCookie binds the refresh token to the environment that it was issued for. The token's own cookie has
// Backstage's name and plain value, so that sessions survive the change from a Node backend and back.
const bindingCookie = "coder-refresh-state"

// sessionResponse is Backstage's OAuthResponse, which the app gets from a sign-in and a refresh.
type sessionResponse struct {
	Profile      *upstream.Profile `json:"profile"`
	ProviderInfo providerInfo      `json:"providerInfo"`
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
	return sessionResponse{p, providerInfo{t.ID, t.Access, strings.Join(splitScope(t.Scope), " "), t.ExpiresIn}}
}

// setSession stores a refresh token that Coder has just issued, and binds it to the environment.
func (h *handler) setSession(j *cookieJar, e *environment, refreshToken string) {
	// A deployment that does not rotate may issue a token again that was spent before.
	e.Forget(refreshToken)
	j.set(refreshCookie, refreshToken, j.policy.sessionPath, e.app.session)
	sum := sha256.Sum256([]byte(refreshToken))
	sealed := h.ring.Seal(sum[:], e.binding())
	binding := j.policy.cookie(bindingCookie, sealed, j.policy.sessionPath, e.app.session) //nolint:gosec // as in cookie
	// Expires alone limits it.
	binding.MaxAge = 0
	express.SetCookie(j.header, binding)
}

// clearSession removes the cookies of a session that were sent.
func clearSession(j *cookieJar) {
	j.clear(refreshCookie, j.policy.sessionPath)
	j.clear(bindingCookie, j.policy.sessionPath)
}

// session returns the refresh token that was sent, or "" if there is none that belongs to e. A token without a
// readable binding comes from a Node backend, or from before a restart with random keys: it belongs to the
// environment that Backstage's frontend uses, or to the only one.
func (h *handler) session(j *cookieJar, e *environment) string {
	token := j.get(refreshCookie)
	if token == "" {
		return ""
	}
	// The binding holds the token's hash, so that it cannot be combined with another token. One for another
	// environment, deployment or client does not open.
	sum := sha256.Sum256([]byte(token))
	bound, err := h.ring.Open(j.cookies[bindingCookie], e.binding())
	switch {
	case err == nil && string(bound) == string(sum[:]):
		return token
	case err == nil, // the binding of another token: a Node backend has set this one since
		j.cookies[bindingCookie] == "", errors.Is(err, seal.ErrUnknownKey):
		if len(h.environments) == 1 || e.name == h.settings.mainEnv {
			return token
		}
	}
	h.log.Warn("refresh token of another environment refused", zap.String("env", e.name))
	return ""
}
