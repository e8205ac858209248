package coder

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
)

// logout is POST /logout. The session ends here in any case, and at Coder when Coder can be reached in time.
func (h *handler) logout(w http.ResponseWriter, r *http.Request) {
	e, err := h.environment(parseQuery(r.URL.RawQuery))
	if err == nil {
		err = checkCaller(r)
	}
	// A browser sends no Origin with some same-origin requests; X-Requested-With protects those.
	from := r.Header.Get("Origin")
	if err == nil && from != "" && !h.settings.allows(from) {
		err = apierror.NotAllowed("Origin '" + from + "' is not allowed")
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	jar := h.jar(w, r, &e.app, from)
	// At Coder first, while the token is at hand. The user has closed the session here either way, and a Coder
	// that is down must not keep them waiting.
	if token := h.session(jar, e); token != "" {
		token = e.end(token)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
		defer cancel()
		if err := e.revoke(ctx, token); err != nil {
			h.log.Warn("signed out here, but Coder did not revoke the session", zap.String("env", e.name), zap.Error(err))
		}
	}
	clearSession(jar)
	quiet(w.Header())
	w.WriteHeader(http.StatusOK)
}
