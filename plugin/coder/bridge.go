package coder

import (
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/origin"
)

// authorize is GET /oauth2/authorize, the bridge: an older frontend whose accessUrl is this plugin's mount
// opens it in place of Coder's consent page. It adds what that frontend lacks, PKCE and a state that is bound
// to the browser, and sends the browser on to Coder.
func (h *handler) authorize(w http.ResponseWriter, r *http.Request) {
	query := parseQuery(r.URL.RawQuery)
	app := h.older.app
	// What Coder would check is checked here already, for here the answer can say which setting is wrong.
	switch {
	case single(query, "client_id") != app.clientID:
		h.bridgeRefusal(w, r, "client_id", "The client_id is not the one that this backend is configured with "+
			"(coder.oauth.clientId).")
		return
	case single(query, "redirect_uri") != app.callbackURL:
		h.bridgeRefusal(w, r, "redirect_uri", "The redirect_uri must be "+app.callbackURL+
			" (coder.oauth.backendUrl in the app's configuration, backend.baseUrl in the backend's).")
		return
	case single(query, "response_type") != "code":
		h.bridgeRefusal(w, r, "response_type", "The response_type must be code.")
		return
	}
	// The frontend's own state is not carried along: the callback has no use for its returnTo.
	jar := h.jar(w, r, &h.older.app, "")
	state, _ := newState("flow", bridgeMode)
	f := jar.begin(h.ring, state, flow{Mode: bridgeMode, Origin: h.opener(r)})
	quiet(w.Header())
	w.Header().Set("Location", h.older.authorizeURL(state, f.Verifier, joinScopes(app.scopes)))
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
}

// opener is the origin of the app that opened the popup, when the browser tells and it is allowed.
func (h *handler) opener(r *http.Request) string {
	o, err := origin.Of(r.Referer())
	if err != nil || !h.settings.allows(o) {
		return ""
	}
	return o
}

// bridgeRefusal tells the user, the app and the operator which parameter does not fit.
func (h *handler) bridgeRefusal(w http.ResponseWriter, r *http.Request, parameter, text string) {
	h.log.Warn("bridge refused a sign-in", zap.String("parameter", parameter),
		zap.String("callbackUrl", h.older.app.callbackURL))
	h.olderFailure(w, r, http.StatusBadRequest, flow{}, "invalid_request", text)
}

// deploymentLink sends the other links that the older frontend makes of its accessUrl on to Coder: the token
// page, templates and workspaces. It is there only while accessUrl is this plugin's mount.
func (h *handler) deploymentLink(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.EscapedPath()
	if r.Method != http.MethodGet && r.Method != http.MethodHead ||
		path != "/cli-auth" && !strings.HasPrefix(path, "/templates/") && !strings.HasPrefix(path, "/@") {
		return false
	}
	// The path as it was sent: names of templates and workspaces keep their case and their escapes.
	target := h.older.app.deployment + path
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusFound)
	return true
}
