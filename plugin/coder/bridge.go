package coder

import (
	"net/http"
	"strings"

	"go.uber.org/zap"
)

// authorize is GET /oauth2/authorize, the bridge: a legacy frontend whose accessUrl is this plugin's mount opens it
// in place of Coder's consent page. It adds PKCE and a state that is bound to the browser, which that frontend
// lacks, and sends the browser to Coder.
func (h *handler) authorize(w http.ResponseWriter, r *request) error {
	app := h.legacy.app
	// Coder would check these too, but cannot tell which setting is wrong.
	switch {
	case r.query.Single("client_id") != app.ClientID:
		return h.bridgeRefusal(w, r, "client_id", "The client_id is not the one that this backend is configured with "+
			"(coder.oauth.clientId).")
	case r.query.Single("redirect_uri") != h.settings.mount+callbackPath:
		return h.bridgeRefusal(w, r, "redirect_uri", "The redirect_uri must be "+h.settings.mount+callbackPath+
			", which the app makes of backend.baseUrl: that of the app and that of this backend differ.")
	case r.query.Single("response_type") != "code":
		return h.bridgeRefusal(w, r, "response_type", "The response_type must be code.")
	}
	// The frontend's own state is dropped: the callback does not use its returnTo.
	jar, opener := h.jar(w, r, app, ""), h.settings.opener(r.Request)
	fields := []string{"flow", bridgeMode}
	if opener != "" {
		fields = append(fields, "origin", opener)
	}
	state, _ := newState(fields...)
	f := h.beginFlow(jar, state, flow{kind: bridge, origin: opener, redirectURI: app.CallbackURL})
	redirectToCoder(w, h.legacy.AuthorizeURL(state, f.verifier, joinScopes(app.scopes)))
	return nil
}

// bridgeMode marks the states of flows that the bridge begins.
const bridgeMode = "bridge"

// bridgeRefusal tells the user, the app and the operator which parameter is wrong.
func (h *handler) bridgeRefusal(w http.ResponseWriter, r *request, parameter, text string) error {
	h.log.Warn("bridge refused a sign-in", zap.String("parameter", parameter),
		zap.String("callbackUrl", h.legacy.app.CallbackURL))
	return h.legacyFailure(w, r, http.StatusBadRequest, flow{}, "invalid_request", text)
}

// deploymentLink redirects the other links that a legacy frontend makes of its accessUrl to Coder: the token page,
// templates and workspaces. It reports whether the request was one of them.
func (h *handler) deploymentLink(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.EscapedPath()
	if r.Method != http.MethodGet && r.Method != http.MethodHead ||
		path != "/cli-auth" && !strings.HasPrefix(path, "/templates/") && !strings.HasPrefix(path, "/@") {
		return false
	}
	// The path is not changed: names of templates and workspaces keep their case and their escapes.
	w.Header().Set("Location", h.legacy.app.Deployment+r.URL.RequestURI())
	w.WriteHeader(http.StatusFound)
	return true
}
