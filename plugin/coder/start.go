package coder

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/origin"
)

// appOrigin reads an origin parameter as JavaScript's URL does: "null" for schemes that have none.
func appOrigin(raw string) (string, error) {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return "", errors.New("not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "null", nil
	}
	return origin.Of(raw)
}

// checkOrigin turns an origin parameter into an allowed origin.
func (h *handler) checkOrigin(raw string, invalid func(string) *apierror.Error) (string, error) {
	o, err := appOrigin(raw)
	if err != nil {
		return "", invalid("App origin is invalid, failed to parse")
	}
	if !h.settings.allows(o) {
		return "", apierror.NotAllowed("Origin '" + o + "' is not allowed")
	}
	return o, nil
}

// checkRedirect refuses a redirectUrl that leads away from the allowed origins. A path alone is one of this
// backend, as the browser sees it.
func (h *handler) checkRedirect(raw string) error {
	if strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") && !strings.ContainsAny(raw, "\\\t\r\n") {
		return nil
	}
	// Browsers read backslashes as slashes and skip tabs and line ends; Go does not. What the two could read
	// differently is refused.
	u, err := url.Parse(raw)
	o, notWeb := origin.Of(raw)
	if err != nil || notWeb != nil || u.User != nil || strings.ContainsAny(raw, "\\\t\r\n") {
		return apierror.Input("Redirect URL is invalid, failed to parse")
	}
	if !h.settings.allows(o) {
		return apierror.NotAllowed("Origin '" + o + "' is not allowed")
	}
	return nil
}

// start is GET /start: it sends the browser on to Coder, with the flow sealed in a cookie.
func (h *handler) start(w http.ResponseWriter, r *http.Request) {
	query := parseQuery(r.URL.RawQuery)
	e, err := h.environment(query)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	f, fields := flow{Env: e.name}, []string{"env", e.name}
	// Checked and normalized as plugin-auth-node 0.7 does; older ones took any.
	from, ok := param(query, "origin")
	if ok {
		if f.Origin, err = h.checkOrigin(from, apierror.Input); err != nil {
			h.fail(w, r, err)
			return
		}
		fields = append(fields, "origin", f.Origin)
	}
	// Backstage takes the environment from a state too, but not for a start.
	if env, _ := param(query, "env"); env == "" {
		h.fail(w, r, apierror.Input("No env provided in request query parameters"))
		return
	}
	if f.Redirect, ok = param(query, "redirectUrl"); ok {
		fields = append(fields, "redirectUrl", f.Redirect)
	}
	if f.Mode, ok = param(query, "flow"); ok {
		fields = append(fields, "flow", f.Mode)
	}
	if f.Mode == "redirect" && f.Redirect != "" {
		err = h.checkRedirect(f.Redirect)
	} else if f.Mode == bridgeMode {
		err = apierror.Input("Unknown flow '" + bridgeMode + "'")
	}
	if err == nil && !f.fits() {
		err = apierror.Input("The redirectUrl, origin and flow are too long to be kept in a cookie")
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// The cookies are for the app that asks, whose host name decides on SameSite.
	jar := h.jar(w, r, &e.app, f.Origin)
	requested, _ := param(query, "scope")
	scope := joinScopes(splitScope(requested), e.app.scopes)
	state, nonce := newState(fields...)
	jar.set(nonceCookie, nonce, jar.policy.noncePath, flowLife)
	f = jar.begin(h.ring, state, f)
	quiet(w.Header())
	w.Header().Set("Location", e.authorizeURL(state, f.Verifier, scope))
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
	h.log.Debug("sign-in started", zap.String("env", e.name), zap.Time("expires", time.Unix(f.Expires, 0)))
}
