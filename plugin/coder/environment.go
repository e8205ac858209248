package coder

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/seal"
)

// bindingCookie ties the refresh token to the environment that it was given for. The token's own cookie keeps
// Backstage's name and plain value, so that going over from a Node backend, and back, loses no session.
const bindingCookie = "coder-refresh-state"

// environment is one entry of auth.providers.coder: what the env parameter of the provider routes selects.
type environment struct {
	name string
	*client
	*sessions
}

// environment selects by the env parameter, else by the state. Its errors are those of Backstage's
// OAuthEnvironmentHandler.
func (h *handler) environment(query url.Values) (*environment, error) {
	// The env parameter goes before the state, as in Backstage; the frame route then compares the two.
	name, _ := param(query, "env")
	if name == "" {
		state := stateParam(query)
		if state == "" {
			return nil, apierror.Input("Must specify 'env' query to select environment")
		}
		fields, err := readState(state)
		if err != nil {
			return nil, err
		}
		name = fields["env"]
	}
	e, ok := h.environments[name]
	if !ok {
		return nil, apierror.NotFound("No configuration available for the '" + name + "' environment of this provider.")
	}
	return e, nil
}

// stateParam is the state parameter; one that is repeated unchanged counts once.
func stateParam(query url.Values) string {
	if all := query["state"]; len(all) > 1 && !slices.ContainsFunc(all, func(s string) bool { return s != all[0] }) {
		return all[0]
	}
	state, _ := param(query, "state")
	return state
}

// jar opens the request's cookies, for a page at appOrigin ("" is that of app.baseUrl).
func (h *handler) jar(w http.ResponseWriter, r *http.Request, app *application, appOrigin string) *cookieJar {
	// Two policies: SameSite depends on the origin of the app that this request is about.
	plain := app.policy(h.settings.mount, h.settings.appOrigin)
	j := &cookieJar{sent: parseCookies(r.Header["Cookie"]), header: w.Header(), policy: plain, plain: plain}
	if appOrigin != "" {
		j.policy = app.policy(h.settings.mount, appOrigin)
	}
	return j
}

// binding is the context that a refresh token is bound to.
func (e *environment) binding() string {
	return strings.Join([]string{bindingCookie, e.name, e.app.deployment, e.app.clientID}, "\n")
}

// setSession stores a refresh token that Coder has just given, and binds it to this environment.
func (h *handler) setSession(j *cookieJar, e *environment, refreshToken string) {
	// Fakes and deployments that do not rotate give a token again that was spent before.
	e.forget(refreshToken)
	j.set(refreshCookie, refreshToken, j.policy.sessionPath, e.app.session)
	sum := sha256.Sum256([]byte(refreshToken))
	j.write(bindingCookie, cookie{
		value: h.ring.Seal(sum[:], e.binding()), path: j.policy.sessionPath, life: e.app.session, noMaxAge: true,
		cookiePolicy: j.policy,
	})
}

// clearSession empties the cookies of a session, as far as they were sent.
func clearSession(j *cookieJar) {
	j.clear(refreshCookie, j.policy.sessionPath)
	j.clear(bindingCookie, j.policy.sessionPath)
}

// session returns the refresh token that was sent, or "" when there is none that belongs to e. A token
// without a binding that can be read is one from a Node backend, or from before a restart with random keys:
// the environment that Backstage's frontend uses, or the only one, takes it.
func (h *handler) session(j *cookieJar, e *environment) string {
	token := j.get(refreshCookie)
	if token == "" {
		return ""
	}
	// The binding holds a hash of the token, so that it cannot be put beside another one.
	sum := sha256.Sum256([]byte(token))
	bound, err := h.ring.Open(j.sent[bindingCookie], e.binding())
	switch {
	// Bound to this environment, to another token, or to something that cannot be read any more. What is bound
	// to another environment, deployment or client does not open at all, and falls through.
	case err == nil && string(bound) == string(sum[:]):
		return token
	case err == nil, // the binding of another token: this one was set by a Node backend since
		j.sent[bindingCookie] == "", errors.Is(err, seal.ErrUnknownKey):
		if len(h.environments) == 1 || e.name == h.settings.mainEnv {
			return token
		}
	}
	h.log.Warn("refresh token of another environment refused", zap.String("env", e.name))
	return ""
}
