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
	f, fields, err := h.newFlow(r.query, e)
	if err != nil {
		return err
	}
	scope := joinScopes(splitScope(r.query.Get("scope")))
	if scope != "" {
		fields = append(fields, "scope", scope)
	}
	jar := h.jar(w, r, e.app, f.origin)
	state, nonce := newState(fields...)
	if len(state) > maxState {
		return apierror.Input("The redirectUrl, origin, flow and scope are too long to come back with the answer of Coder")
	}
	jar.set(nonceCookie, nonce, jar.policy.noncePath, flowLife)
	f = h.beginFlow(jar, state, f)
	redirectToCoder(w, e.AuthorizeURL(state, f.verifier, e.app.asked(scope)))
	h.log.Debug("sign-in started", zap.String("env", e.name), zap.Time("expires", time.Unix(f.expires, 0)))
	return nil
}

// maxState is the length of the longest state: the callback's request line, with the code and the cookies, has to fit
// into the 16 kB that a server takes.
const maxState = 8 << 10

// asked returns the scopes that Coder is asked for if an app wants these.
func (app *application) asked(wanted string) string {
	return joinScopes(splitScope(wanted), app.scopes)
}

// newFlow reads and checks the flow that a start asks for. fields are those of its state.
func (h *handler) newFlow(query express.Query, e *environment) (f flow, fields []string, err error) {
	f, fields = flow{env: e.name, redirectURI: e.app.CallbackURL}, []string{"env", e.name}
	// Checked and normalized as in plugin-auth-node 0.7; earlier versions took any origin.
	from, ok := query.Lookup("origin")
	if ok {
		if f.origin, err = h.settings.checkOrigin(from, apierror.Input); err != nil {
			return f, nil, err
		}
		fields = append(fields, "origin", f.origin)
	}
	// Backstage selects the environment by a state too, but then refuses to start.
	if query.Get("env") == "" {
		return f, nil, apierror.Input("No env provided in request query parameters")
	}
	target, hasTarget := query.Lookup("redirectUrl")
	if hasTarget {
		fields = append(fields, "redirectUrl", target)
	}
	mode, ok := query.Lookup("flow")
	if ok {
		fields = append(fields, "flow", mode)
	}
	switch mode {
	case "redirect":
		f.kind = redirect
		if target != "" {
			err = h.settings.checkRedirect(target)
		}
	case bridgeMode:
		err = apierror.Input("Unknown flow '" + bridgeMode + "'")
	}
	return f, fields, err
}
