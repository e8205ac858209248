package coder

import (
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// refresh is GET and POST /refresh. The end of a session is a 401 that removes the cookies. A failure of Coder is
// a 502 or 504 that keeps them.
func (h *handler) refresh(w http.ResponseWriter, r *request) error {
	e, err := h.callerEnvironment(r)
	if err != nil {
		return err
	}
	jar := h.jar(w, r, e.app, r.Header.Get("Origin"))
	token := h.session(jar, e)
	if token == "" {
		return refreshFailed(apierror.Input("Missing session cookie"))
	}
	noStore(w.Header())
	if r.Method == http.MethodHead { // never spends a token
		w.Header().Set("Content-Type", express.JSON)
		return nil
	}
	scope := joinScopes(splitScope(r.query.Get("scope")), e.app.scopes)
	renewal, err := e.Renew(r.Context(), e.Client, token, scope)
	// Stored even if the profile could not be read: the old token is invalid by now.
	if renewal != nil && renewal.Tokens.Refresh != token {
		h.setSession(jar, e, renewal.Tokens.Refresh)
	}
	if err != nil {
		return h.renewalFailed(jar, e, renewal, upstream.From(err))
	}
	return writeJSON(w, r, newSessionResponse(renewal.Tokens, renewal.Profile))
}

// renewalFailed returns the error for the app. It removes the session's cookies only if Coder says that the
// session is over. renewal is not nil if only the profile could not be read.
func (h *handler) renewalFailed(jar *cookieJar, e *environment, renewal *upstream.Renewal, err *upstream.Error) error {
	h.log.Warn("refreshing a session failed", append(e.failure(err), zap.String("env", e.name))...)
	text := "Failed to refresh access token, " + err.UserText()
	if renewal != nil {
		text = "Failed to fetch Coder user profile, " + err.UserText()
	} else if err.Kind == upstream.Refused && err.Code == "invalid_grant" {
		text = "Failed to refresh access token, the session has ended (invalid_grant)"
		clearSession(jar)
	}
	failure := refreshFailed(&apierror.Error{Name: "Error", Message: text})
	if err.Kind != upstream.Refused {
		failure.Status = err.GatewayStatus()
		failure.Name = strings.ReplaceAll(http.StatusText(failure.Status), " ", "") + "Error"
	}
	return failure
}

// refreshFailed is Backstage's `new AuthenticationError('Refresh failed', cause)`.
func refreshFailed(cause *apierror.Error) *apierror.Error {
	e := apierror.Authentication("Refresh failed; caused by " + cause.Name + ": " + cause.Message)
	e.Cause = cause
	return e
}
