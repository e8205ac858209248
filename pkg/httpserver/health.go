package httpserver

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/understudy-host/understudy/pkg/express"
)

// Health answers /.backstage/health/v1/liveness and /readiness. The zero value is alive and not ready.
type Health struct {
	ready, stopping atomic.Bool
}

// SetReady makes readiness succeed: the host takes requests.
func (h *Health) SetReady() { h.ready.Store(true) }

// SetStopping makes readiness fail: load balancers send new requests elsewhere.
func (h *Health) SetStopping() { h.stopping.Store(true) }

// serve answers the probes and passes other requests on.
func (h *Health) serve(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probe, ok := express.CutPrefixFold(r.URL.EscapedPath(), "/.backstage/health/v1/")
		probe = strings.TrimSuffix(strings.ToLower(probe), "/")
		if !ok || probe != "liveness" && probe != "readiness" {
			next.ServeHTTP(w, r)
			return
		}
		status, body := http.StatusOK, `{"status":"ok"}`
		contentType := "application/json; charset=utf-8"
		switch r.Method {
		case http.MethodOptions:
			contentType, body = "text/html; charset=utf-8", "GET,HEAD"
			w.Header().Set("Allow", body)
		case http.MethodGet, http.MethodHead:
			if probe == "readiness" && (h.stopping.Load() || !h.ready.Load()) {
				status, body = http.StatusServiceUnavailable, `{"message":"Backend has not started yet","status":"error"}`
				if h.stopping.Load() {
					body = `{"message":"Backend is shutting down","status":"error"}`
				}
			}
		default:
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, body)
		}
	})
}
