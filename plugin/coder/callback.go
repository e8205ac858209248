package coder

import (
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
)

// arrival is an answer of Coder at a callback route, with the flow of this browser that it belongs to.
type arrival struct {
	state   string
	fields  map[string]string // of the state, which proves nothing if no flow was found
	flow    flow
	found   bool // the state's flow is pending in this browser
	expired bool // it was, until its time was over
	pending bool // the answer has no state; flow is the newest of this browser
}

// callback returns the handler of a callback route. Coder registers one callback URL for an application, so either
// route takes either kind of sign-in: the flow says which, or, if there is none, the form of the state. Only the legacy
// route takes a state that was not made here.
func (h *handler) callback(legacyRoute bool) handlerFunc {
	return func(w http.ResponseWriter, r *request) error {
		if isPrefetch(r.Header) {
			return prefetched(w, r)
		}
		a := h.arrival(r)
		if a.kind(legacyRoute) == bridge {
			return h.legacyCallback(w, r, a, legacyRoute && h.settings.allowLegacyState)
		}
		return h.frame(w, r, a)
	}
}

// arrival reads an answer of Coder.
func (h *handler) arrival(r *request) *arrival {
	a := &arrival{state: stateParam(r.query)}
	a.fields, _ = readState(a.state)
	if a.state != "" {
		a.flow, a.expired, a.found = h.flow(r.cookies, a.state)
		return a
	}
	// Old versions of Coder send an error without a state on Cancel: a flow says which app is waiting. It stays
	// pending, since nothing proves that the answer is about it.
	if r.query.Get("error") != "" && r.query.Get("code") == "" {
		env := r.query.Get("env")
		a.flow = h.pendingFlow(r.cookies, func(f flow) bool {
			return (env == "" || env == f.env) && (f.origin == "" || h.settings.allows(f.origin))
		})
		a.pending = a.flow.known()
	}
	return a
}

// kind returns the kind of sign-in that an answer is about: popup stands for redirect as well.
func (a *arrival) kind(legacyRoute bool) kind {
	switch {
	case a.flow.known() && a.flow.kind == bridge, a.fields["flow"] == bridgeMode && a.fields["env"] == "":
		return bridge
	case a.flow.known(), a.fields["env"] != "", !legacyRoute:
		return popup
	}
	return bridge
}

// isPrefetch reports whether a browser asks for a page that the user has not opened.
func isPrefetch(header http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		value := strings.ToLower(header.Get(name))
		if strings.Contains(value, "prefetch") || strings.Contains(value, "prerender") || strings.Contains(value, "preview") {
			return true
		}
	}
	return false
}

// prefetched refuses a prefetch, which would spend the code. Browsers then load the page when the user opens it.
func prefetched(w http.ResponseWriter, r *request) error {
	noStore(w.Header())
	express.Send(w, r.Request, http.StatusServiceUnavailable, express.HTML, []byte("This page is not loaded in advance"))
	return nil
}

// checkIssuer refuses an answer of another server than the flow's (RFC 9207).
func (h *handler) checkIssuer(r *request, e *environment) error {
	values, given := r.query["iss"]
	iss := ""
	if given {
		iss = values[len(values)-1]
	}
	if err := e.CheckIssuer(iss, given); err != nil {
		h.log.Warn("an answer at the callback was refused", zap.String("config", e.app.key), zap.Error(err),
			zap.String("hint", "if environments are at different deployments, give each a callbackUrl of its own"))
		return apierror.NotAllowed("The answer is not one of the Coder deployment that was asked")
	}
	return nil
}
