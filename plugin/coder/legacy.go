package coder

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// legacyCallback ends a sign-in of the legacy frontend. The flow was begun by the bridge, or, if foreign allows that, by
// that frontend itself, whose state proves nothing.
func (h *handler) legacyCallback(w http.ResponseWriter, r *request, a *arrival, foreign bool) error {
	code := r.query.Single("code")
	head := r.Method == http.MethodHead // never spends a code
	switch {
	case code == "" && r.query.Get("error") != "" && !head:
		return h.refusedAtCoder(w, r, a)
	case code == "":
		h.log.Error("OAuth callback missing authorization code")
		return h.missingCode(w, r)
	case head:
		return h.newPage("", "").serve(w, r, http.StatusOK, express.HTML)
	}
	// The state is checked before the code is spent. A state of the bridge that is not pending in this browser never
	// counts as one of the legacy frontend: their forms differ.
	sum := sha256.Sum256([]byte(a.state))
	ask := upstream.Code{Code: code, State: sum[:], Accept: "application/json, text/plain, */*"} // axios's
	switch {
	case a.found:
		ask.Verifier, ask.RedirectURI = a.flow.verifier, a.flow.redirectURI
	case foreign && (a.state == "" || isLegacyState(a.state)):
		ask.RedirectURI, ask.Foreign = h.settings.mount+callbackPath, true
	default:
		return h.invalidState(w, r, a)
	}
	if err := h.checkIssuer(r, h.legacy); err != nil {
		return h.legacyFailure(w, r, http.StatusForbidden, a.flow, "invalid_issuer", "The answer is not one of the Coder deployment that was asked.")
	}
	got, err := h.legacy.Redeem(r.Context(), h.legacy.Client, ask)
	if failure := upstream.From(err); a.found && (err == nil || !failure.NotAsked()) {
		h.jar(w, r, h.legacy.app, "").endFlow(a.state)
	}
	switch {
	case errors.Is(err, upstream.ErrUsed):
		return h.legacyFailure(w, r, http.StatusForbidden, a.flow, "invalid_state", "This sign-in has been used already. Please start again from Backstage.")
	case err != nil:
		return h.exchangeFailed(w, r, a.flow, upstream.From(err))
	}
	return h.legacySuccess(w, r, a.flow, got.Tokens.Access)
}

// legacySuccess posts the token to the app. If nobody knows which app that is, and patterns allow some that cannot be
// written to, the page does not say that all went well.
func (h *handler) legacySuccess(w http.ResponseWriter, r *request, f flow, token string) error {
	const success = "Authentication successful! This window will close automatically..."
	p := h.newPage("Authentication Successful", success)
	alone := "Coder has confirmed the sign-in, but no window of " + h.settings.appTitle + " is there to take it. Go back to it and start again."
	p.Script = &script{
		Messages: []message{{
			Data:    map[string]string{"type": "coder-oauth-success", "token": token},
			Origins: h.settings.listeners(f),
		}},
		Close: 500, Alone: alone,
	}
	if f.origin == "" && h.settings.hasPatterns {
		p.Text = "Coder has confirmed the sign-in. If " + h.settings.appTitle + " does not show that you are signed in, " +
			"it could not be told, because nothing says at which address it runs. Then open it at " + h.settings.appURL +
			" and sign in there, or ask the operator to list its address in auth.experimentalExtraAllowedOrigins without a pattern."
		p.Title, p.Script.Sure = "Sign-in confirmed", success
		h.log.Warn("a sign-in of the legacy frontend is over, but the browser did not say which app began it: it was told to "+
			"the exact origins only; list the app's origin without a pattern", zap.String("config", "auth.experimentalExtraAllowedOrigins"))
	} else {
		h.log.Info("OAuth authentication successful", zap.Bool("bridge", f.known()))
	}
	return p.serve(w, r, http.StatusOK, express.HTML)
}

// missingCode answers a callback without a code: scripts as the published plugin does, and people with a page.
func (h *handler) missingCode(w http.ResponseWriter, r *request) error {
	const text = "Missing authorization code"
	if !isNavigation(r.Request) {
		noStore(w.Header())
		express.Send(w, r.Request, http.StatusBadRequest, express.HTML, []byte(text))
		return nil
	}
	p := h.newPage("Authentication Failed", "This page ends a sign-in at Coder, but it was opened without an answer of Coder. Start the sign-in from "+
		h.settings.appTitle+".")
	p.Heading, p.Cause = "Authentication failed", text
	p.Script = &script{
		Messages: []message{{
			Data:    map[string]string{"type": "coder-oauth-error", "error": "invalid_request", "message": text},
			Origins: h.settings.listeners(flow{}),
		}},
		Alone: p.Text,
	}
	return p.serve(w, r, http.StatusBadRequest, express.HTML)
}

// refusedAtCoder says that Coder, or the user there, refused. Old versions of Coder send no state then.
func (h *handler) refusedAtCoder(w http.ResponseWriter, r *request, a *arrival) error {
	if a.found {
		h.jar(w, r, h.legacy.app, "").endFlow(a.state)
	}
	code, description := refusal(r.query, a.found)
	text := "Coder refused the sign-in (" + code + ")."
	if code == "access_denied" {
		text = "The sign-in was cancelled or denied at Coder."
	}
	if description != "" {
		text += " Coder says: " + description
	}
	h.log.Warn("sign-in refused at Coder", zap.String("error", code), zap.Bool("bridge", a.flow.known()))
	return h.legacyFailure(w, r, http.StatusBadRequest, a.flow, code, text)
}

// invalidState refuses a callback that was not begun in this browser. The code is not spent.
func (h *handler) invalidState(w http.ResponseWriter, r *request, a *arrival) error {
	text := "This sign-in was not started in this browser, or has been used already. Please start again from Backstage."
	if a.expired {
		text = "The sign-in took longer than ten minutes. Please start again from Backstage."
	}
	h.log.Warn("OAuth callback with a state that is not valid here", zap.Bool("expired", a.expired),
		zap.Strings("stateCookies", r.cookies.flowNames()), zap.Bool("allowLegacyState", h.settings.allowLegacyState))
	return h.legacyFailure(w, r, http.StatusForbidden, flow{}, "invalid_state", text)
}

// exchangeFailed says that Coder gave no token for the code.
func (h *handler) exchangeFailed(w http.ResponseWriter, r *request, f flow, err *upstream.Error) error {
	h.logFailure(zap.ErrorLevel, "OAuth token exchange failed", h.legacy, err)
	// The published plugin shows axios's messages, with internal addresses. Its one message of its own is kept.
	text := strings.ToUpper(err.UserText()[:1]) + err.UserText()[1:] + ". Close this window and try again."
	if err.Kind == upstream.Malformed {
		text = "Coder deployment did not respond with access token"
	}
	retryAfter(w, err)
	return h.legacyFailure(w, r, err.GatewayStatus(), f, cmp.Or(err.Code, "temporarily_unavailable"), text)
}

// legacyFailure shows why a sign-in failed and posts it to the app, for apps that listen. The window stays open:
// the legacy frontend does not show the reason.
func (h *handler) legacyFailure(w http.ResponseWriter, r *request, status int, f flow, code, text string) error {
	p := h.newPage("Authentication Failed", text)
	p.Heading = "Authentication failed"
	p.Script = &script{
		Messages: []message{{
			Data:    map[string]string{"type": "coder-oauth-error", "error": code, "message": text},
			Origins: h.settings.listeners(f),
		}},
		Alone: text,
	}
	return p.serve(w, r, status, express.HTML)
}
