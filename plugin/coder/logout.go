package coder

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// logout is POST /logout. The session always ends here, and at Coder if Coder answers in time.
func (h *handler) logout(w http.ResponseWriter, r *request) error {
	e, err := h.callerEnvironment(r)
	if err != nil {
		return err
	}
	jar := h.jar(w, r, e.app, r.Header.Get("Origin"))
	s, _ := h.session(jar.cookies, e)
	// A sign-in whose code is being spent, or whose answer is on its way, ends too. One that still waits at Coder goes on.
	var states [][]byte
	for _, name := range jar.flowNames() {
		if f, ok := h.openFlow(name, jar.first(name)); ok && f.kind != bridge && f.env == e.name {
			states = append(states, f.hash[:])
		}
	}
	// The user does not wait long for a Coder that is down.
	ctx := r.Context()
	if s.bound { // the user may close the tab at once
		ctx = upstream.SignedIn(context.WithoutCancel(ctx))
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, token := range e.End(s.refresh, states...) {
		if err := e.Revoke(ctx, token); err != nil {
			h.logFailure(zap.WarnLevel, "signed out here, but Coder did not revoke the session", e, upstream.From(err))
		}
	}
	clearSession(jar)
	noStore(w.Header())
	w.WriteHeader(http.StatusOK) // begins an answer without a body, which gets no Vary header
	return nil
}
