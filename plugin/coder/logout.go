package coder

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// logout is POST /logout. The session always ends here, and at Coder if Coder answers in time.
func (h *handler) logout(w http.ResponseWriter, r *request) error {
	e, err := h.callerEnvironment(r)
	// Browsers send no Origin with some same-origin requests. X-Requested-With protects those.
	from := r.Header.Get("Origin")
	if err == nil && from != "" {
		err = h.settings.checkAllowed(from)
	}
	if err != nil {
		return err
	}
	jar := h.jar(w, r, e.app, from)
	if token := h.session(jar, e); token != "" {
		token = e.End(token)
		// The user does not wait long for a Coder that is down.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
		defer cancel()
		if err := e.Revoke(ctx, token); err != nil {
			h.log.Warn("signed out here, but Coder did not revoke the session", zap.String("env", e.name), zap.Error(err))
		}
	}
	clearSession(jar)
	noStore(w.Header())
	w.WriteHeader(http.StatusOK) // begins an answer without a body, which gets no Vary header
	return nil
}
