package coder

import (
	"cmp"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// callback is GET /oauth/callback, to which Coder sends the legacy frontend's popup back. The flow was begun by
// the bridge, or by that frontend itself, whose state proves nothing.
func (h *handler) callback(w http.ResponseWriter, r *request) error {
	code, state := r.query.Single("code"), r.query.Get("state")
	head := r.Method == http.MethodHead // never spends a code
	switch {
	case code == "" && r.query.Get("error") != "" && !head:
		return h.refusedAtCoder(w, r, state)
	case code == "":
		h.log.Error("OAuth callback missing authorization code")
		noStore(w.Header())
		express.Send(w, r.Request, http.StatusBadRequest, express.HTML, []byte("Missing authorization code")) // as the published plugin
		return nil
	case head:
		return page{}.serve(w, r, http.StatusOK, express.HTML)
	}
	// The state is checked before the code is spent. A state of the bridge that is not pending in this browser never
	// counts as one of the legacy frontend: their forms differ.
	jar := h.jar(w, r, h.legacy.app, "")
	f, expired, ours := jar.flow(h.ring, state)
	switch {
	case ours && f.Mode == bridgeMode:
		jar.endFlow(state)
	case !ours && h.settings.allowLegacyState && (state == "" || isLegacyState(state)):
	default:
		return h.invalidState(w, r, expired)
	}
	// The Accept header is axios's.
	tokens, err := h.legacy.Exchange(r.Context(), code, f.Verifier, "application/json, text/plain, */*")
	if err != nil {
		return h.exchangeFailed(w, r, f, upstream.From(err))
	}
	h.log.Info("OAuth authentication successful", zap.Bool("bridge", ours))
	return page{
		Title: "Authentication Successful",
		Text:  "Authentication successful! This window will close automatically...",
		Script: &script{
			Messages: []message{{
				Data:    map[string]string{"type": "coder-oauth-success", "token": tokens.Access},
				Origins: h.settings.listeners(f),
			}},
			Close: 500,
			Alone: "Authentication successful! You can close this window.",
		},
	}.serve(w, r, http.StatusOK, express.HTML)
}

// refusedAtCoder says that Coder, or the user there, refused. Old versions of Coder send no state then.
func (h *handler) refusedAtCoder(w http.ResponseWriter, r *request, state string) error {
	f, _, ours := r.cookies.flow(h.ring, state)
	proven := ours && f.Mode == bridgeMode
	if proven {
		h.jar(w, r, h.legacy.app, "").endFlow(state)
	} else if state == "" {
		f = r.cookies.pendingFlow(h.ring, func(f flow) bool { return f.Mode == bridgeMode })
	}
	code, description := refusal(r.query, proven)
	text := "Coder refused the sign-in (" + code + ")."
	if code == "access_denied" {
		text = "The sign-in was cancelled or denied at Coder."
	}
	if description != "" {
		text += " Coder says: " + description
	}
	h.log.Warn("sign-in refused at Coder", zap.String("error", code), zap.Bool("bridge", f.Mode == bridgeMode))
	return h.legacyFailure(w, r, http.StatusBadRequest, f, code, text)
}

// invalidState refuses a callback that was not begun in this browser. The code is not spent.
func (h *handler) invalidState(w http.ResponseWriter, r *request, expired bool) error {
	text := "This sign-in was not started in this browser, or has been used already. Please start again from Backstage."
	if expired {
		text = "The sign-in took longer than ten minutes. Please start again from Backstage."
	}
	h.log.Warn("OAuth callback with a state that is not valid here", zap.Bool("expired", expired),
		zap.Strings("stateCookies", r.cookies.flowNames()), zap.Bool("allowLegacyState", h.settings.allowLegacyState))
	return h.legacyFailure(w, r, http.StatusForbidden, flow{}, "invalid_state", text)
}

// exchangeFailed says that Coder gave no token for the code.
func (h *handler) exchangeFailed(w http.ResponseWriter, r *request, f flow, err *upstream.Error) error {
	h.log.Error("OAuth token exchange failed", h.legacy.failure(err)...)
	// The published plugin shows axios's messages, with internal addresses. Its one message of its own is kept.
	text := strings.ToUpper(err.UserText()[:1]) + err.UserText()[1:] + ". Close this window and try again."
	if err.Kind == upstream.Malformed {
		text = "Coder deployment did not respond with access token"
	}
	return h.legacyFailure(w, r, err.GatewayStatus(), f, cmp.Or(err.Code, "temporarily_unavailable"), text)
}

// legacyFailure shows why a sign-in failed and posts it to the app, for apps that listen. The window stays open:
// the legacy frontend does not show the reason.
func (h *handler) legacyFailure(w http.ResponseWriter, r *request, status int, f flow, code, text string) error {
	return page{
		Title: "Authentication Failed", Heading: "Authentication failed", Text: text,
		Script: &script{
			Messages: []message{{
				Data:    map[string]string{"type": "coder-oauth-error", "error": code, "message": text},
				Origins: h.settings.listeners(f),
			}},
			Alone: text,
		},
	}.serve(w, r, status, express.HTML)
}
