package coder

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// refresh is GET and POST /refresh. The end of a session is a 401, a failure of Coder a 502 or 504. Either keeps the
// cookies.
func (h *handler) refresh(w http.ResponseWriter, r *request) error {
	e, err := h.callerEnvironment(r)
	if err != nil {
		return err
	}
	jar := h.jar(w, r, e.app, r.Header.Get("Origin"))
	s, ok := h.session(jar.cookies, e)
	if !ok {
		return refreshFailed(apierror.Input("Missing session cookie"))
	}
	noStore(w.Header())
	if r.Method == http.MethodHead { // never spends a token
		w.Header().Set("Content-Type", express.JSON)
		return nil
	}
	ctx := r.Context()
	if s.bound {
		ctx = upstream.SignedIn(ctx)
	}
	asked := e.app.asked(r.query.Get("scope"))
	// Coder has one access token for an application and a user: a new one would end that of the other tabs.
	if kept, ok := h.keptAccess(jar.cookies, e, s, asked); ok {
		profile, err := e.Profile(ctx, kept.Access)
		if err == nil && !e.Ended(s.refresh) {
			return h.answerRefresh(ctx, w, r, e, kept, profile)
		}
		if failure := upstream.From(err); err != nil && failure.Status != http.StatusUnauthorized {
			return h.profileFailed(w, e, failure)
		}
	}
	renewal, err := e.Renew(ctx, e.Client, s.refresh, asked)
	// Stored even if the profile could not be read: the old token is invalid by now.
	if renewal != nil {
		h.setSession(jar, e, s, renewal.Tokens, asked)
	}
	switch {
	case errors.Is(err, upstream.ErrSignedOut):
		return refreshFailed(&apierror.Error{Name: "Error", Message: "Failed to refresh access token, the user signed out meanwhile"})
	case err != nil:
		return h.renewalFailed(w, e, renewal, upstream.From(err))
	}
	return h.answerRefresh(ctx, w, r, e, renewal.Tokens, renewal.Profile)
}

// answerRefresh gives the app what a refresh brought.
func (h *handler) answerRefresh(ctx context.Context, w http.ResponseWriter, r *request, e *environment, t *upstream.Tokens, p *upstream.Profile) error {
	response, err := h.sessionFor(ctx, r, e, t, p)
	if err != nil {
		return identityFailed(w, err)
	}
	return writeJSON(w, r, response)
}

// renewalFailed returns the error for the app. It never removes the cookies: when Coder refuses a token, a request at
// another replica, or one that came earlier, may have given the browser the next one. renewal is not nil if only the
// profile could not be read.
func (h *handler) renewalFailed(w http.ResponseWriter, e *environment, renewal *upstream.Renewal, err *upstream.Error) error {
	if renewal != nil && err.Kind != upstream.Refused {
		return h.profileFailed(w, e, err)
	}
	h.logFailure(zap.WarnLevel, "refreshing a session failed", e, err)
	text := "Failed to refresh access token, " + err.UserText()
	if renewal != nil {
		text = "Failed to fetch Coder user profile, " + err.UserText()
	} else if err.Kind == upstream.Refused && err.Code == "invalid_grant" {
		text = "Failed to refresh access token, the session has ended (invalid_grant)"
	}
	failure := refreshFailed(&apierror.Error{Name: "Error", Message: text})
	if err.Kind != upstream.Refused {
		blameCoder(w, failure, err)
	}
	return failure
}

// profileFailed returns the error for the app if the session lives on and only its profile could not be read.
func (h *handler) profileFailed(w http.ResponseWriter, e *environment, err *upstream.Error) error {
	h.logFailure(zap.WarnLevel, "reading the profile of a session failed", e, err)
	failure := refreshFailed(&apierror.Error{Name: "Error", Message: "Failed to fetch Coder user profile, " + err.UserText()})
	blameCoder(w, failure, err)
	return failure
}

// blameCoder makes failure one of Coder's, or of the way to it.
func blameCoder(w http.ResponseWriter, failure *apierror.Error, err *upstream.Error) {
	retryAfter(w, err)
	failure.Status = err.GatewayStatus()
	failure.Name = gatewayName(failure.Status)
}

// gatewayName returns the name of an error with this status, such as "BadGatewayError".
func gatewayName(status int) string {
	return strings.ReplaceAll(http.StatusText(status), " ", "") + "Error"
}

// refreshFailed is Backstage's `new AuthenticationError('Refresh failed', cause)`.
func refreshFailed(cause *apierror.Error) *apierror.Error {
	e := apierror.Authentication("Refresh failed; caused by " + cause.Name + ": " + cause.Message)
	e.Cause = cause
	return e
}
