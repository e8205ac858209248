package coder

import (
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
)

// start is GET /start. It sends the browser to Coder, with the flow sealed in a cookie.
func (h *handler) start(w http.ResponseWriter, r *request) error {
	e, err := h.environment(r.query)
	if err != nil {
		return err
	}
	f, fields, err := h.newFlow(r.query, e.name)
	if err != nil {
		return err
	}
	jar := h.jar(w, r, e.app, f.Origin)
	state, nonce := newState(fields...)
	jar.set(nonceCookie, nonce, jar.policy.noncePath, flowLife)
	f = jar.beginFlow(h.ring, state, f)
	scope := joinScopes(splitScope(r.query.Get("scope")), e.app.scopes)
	redirectToCoder(w, e.AuthorizeURL(state, f.Verifier, scope))
	h.log.Debug("sign-in started", zap.String("env", e.name), zap.Time("expires", time.Unix(f.Expires, 0)))
	return nil
}

// newFlow reads and checks the flow that a start asks for. fields are those of its state.
func (h *handler) newFlow(query express.Query, env string) (f flow, fields []string, err error) {
	f, fields = flow{Env: env}, []string{"env", env}
	// Checked and normalized as in plugin-auth-node 0.7; earlier versions took any origin.
	from, ok := query.Lookup("origin")
	if ok {
		if f.Origin, err = h.settings.checkOrigin(from, apierror.Input); err != nil {
			return f, nil, err
		}
		fields = append(fields, "origin", f.Origin)
	}
	// Backstage selects the environment by a state too, but then refuses to start.
	if query.Get("env") == "" {
		return f, nil, apierror.Input("No env provided in request query parameters")
	}
	if f.Redirect, ok = query.Lookup("redirectUrl"); ok {
		fields = append(fields, "redirectUrl", f.Redirect)
	}
	if f.Mode, ok = query.Lookup("flow"); ok {
		fields = append(fields, "flow", f.Mode)
	}
	switch {
	case f.Mode == "redirect" && f.Redirect != "":
		err = h.settings.checkRedirect(f.Redirect)
	case f.Mode == bridgeMode:
		err = apierror.Input("Unknown flow '" + bridgeMode + "'")
	}
	if err == nil && !f.fits() {
		err = apierror.Input("The redirectUrl, origin and flow are too long to be kept in a cookie")
	}
	return f, fields, err
}
