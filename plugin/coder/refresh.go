package coder

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
)

// sessionResponse is Backstage's OAuthResponse: what a sign-in and a refresh give to the app.
type sessionResponse struct {
	Profile      *profile     `json:"profile"`
	ProviderInfo providerInfo `json:"providerInfo"`
}

// providerInfo is the part of the response about Coder's token.
type providerInfo struct {
	IDToken     string `json:"idToken,omitempty"`
	AccessToken string `json:"accessToken"`
	Scope       string `json:"scope"`
	ExpiresIn   any    `json:"expiresInSeconds,omitempty"` // as Coder wrote it
}

// newSessionResponse puts a session together for the app; the refresh token stays in its cookie.
func newSessionResponse(t *tokens, p *profile) sessionResponse {
	return sessionResponse{p, providerInfo{t.id, t.access, t.scope, t.expiresIn}}
}

// checkCaller refuses what a form or a link of another site could send.
func checkCaller(r *http.Request) error {
	if r.Header.Get("X-Requested-With") != "XMLHttpRequest" {
		return apierror.Authentication("Invalid X-Requested-With header")
	}
	return nil
}

// refresh is GET and POST /refresh. It tells the end of a session, 401 and emptied cookies, from trouble at
// Coder, 502 or 504 with the session left alone.
func (h *handler) refresh(w http.ResponseWriter, r *http.Request) {
	query := parseQuery(r.URL.RawQuery)
	e, err := h.environment(query)
	if err == nil {
		err = checkCaller(r)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	jar := h.jar(w, r, &e.app, r.Header.Get("Origin"))
	// A token that belongs to another environment is as good as none.
	token := h.session(jar, e)
	if token == "" {
		h.fail(w, r, refreshFailed(apierror.Input("Missing session cookie")))
		return
	}
	quiet(w.Header())
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if r.Method == http.MethodHead { // never spends a token
		return
	}
	requested, _ := param(query, "scope")
	renewed, err := e.renew(r.Context(), e.client, token, joinScopes(splitScope(requested), e.app.scopes))
	// Even when the profile could not be read: the old token is dead by now.
	if renewed != nil && renewed.tokens.refresh != token {
		h.setSession(jar, e, renewed.tokens.refresh)
	}
	if err != nil {
		h.renewalFailed(w, r, jar, e, err)
		return
	}
	body, err := json.Marshal(newSessionResponse(renewed.tokens, renewed.profile))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// renewalFailed tells the three outcomes apart: the session is over, Coder refuses for another reason (401
// both), or Coder is in trouble (502, 504). Only the first empties the cookies.
func (h *handler) renewalFailed(w http.ResponseWriter, r *http.Request, jar *cookieJar, e *environment, err error) {
	upstream, ok := errors.AsType[*upstreamError](err)
	if !ok {
		h.fail(w, r, err)
		return
	}
	h.log.Warn("refreshing a session failed", zap.String("env", e.name), zap.String("deployment", e.app.deployment),
		zap.Int("status", upstream.status), zap.String("error", upstream.Error()), zap.String("hint", upstream.hint()))
	text := "Failed to refresh access token, " + upstream.says()
	if upstream.doing != refreshing {
		text = "Failed to fetch Coder user profile, " + upstream.says()
	} else if upstream.kind == refused && upstream.code == "invalid_grant" {
		text = "Failed to refresh access token, the session has ended (invalid_grant)"
		clearSession(jar)
	}
	failure := refreshFailed(&apierror.Error{Name: "Error", Message: text})
	if upstream.kind != refused {
		failure.Status, failure.Name = upstream.gateway(), "BadGatewayError"
		if upstream.kind == timedOut {
			failure.Name = "GatewayTimeoutError"
		}
	}
	h.fail(w, r, failure)
}

// refreshFailed is Backstage's `new AuthenticationError('Refresh failed', cause)`.
func refreshFailed(cause *apierror.Error) *apierror.Error {
	e := apierror.Authentication("Refresh failed; caused by " + cause.Name + ": " + cause.Message)
	e.Cause = cause
	return e
}
