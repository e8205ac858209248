package httpserver

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/understudy-host/understudy/pkg/express"
)

// Health answers /.backstage/health/v1/liveness and /readiness. The zero value is alive and not ready.
type Health struct {
	state atomic.Int32 // an index of unready
}

// unready is why readiness fails: before it is ready, never while it is, and when it is stopping.
var unready = [...]string{"Backend has not started yet", "", "Backend is shutting down"}

// SetReady makes readiness succeed: the host takes requests. After SetStopping it does nothing.
func (h *Health) SetReady() { h.state.CompareAndSwap(0, 1) }

// SetStopping makes readiness fail: load balancers send new requests elsewhere.
func (h *Health) SetStopping() { h.state.Store(2) }

// probe returns the name of the probe that a request is for, or "".
func probe(r *http.Request) string {
	name, ok := express.CutPrefixFold(r.URL.EscapedPath(), "/.backstage/health/v1/")
	name = strings.TrimSuffix(strings.ToLower(name), "/")
	if !ok || name != "liveness" && name != "readiness" {
		return ""
	}
	return name
}

// serve answers the probes and passes other requests on.
func (h *Health) serve(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probe, message := probe(r), unready[h.state.Load()]
		switch {
		case probe == "":
			next.ServeHTTP(w, r)
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", "GET,HEAD")
			express.Send(w, r, http.StatusOK, express.HTML, []byte("GET,HEAD"))
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			next.ServeHTTP(w, r)
		case probe == "readiness" && message != "":
			express.Send(w, r, http.StatusServiceUnavailable, express.JSON, []byte(`{"message":"`+message+`","status":"error"}`))
		default:
			express.Send(w, r, http.StatusOK, express.JSON, []byte(`{"status":"ok"}`))
		}
	})
}
