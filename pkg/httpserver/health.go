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
	state atomic.Int32
}

// The states of readiness, in the order in which a host goes through them.
const (
	starting int32 = iota
	ready
	stopping
)

// SetReady says that the host can take requests.
func (h *Health) SetReady() { h.state.Store(ready) }

// SetStopping says that the host takes no more: load balancers look elsewhere.
func (h *Health) SetStopping() { h.state.Store(stopping) }

// serve answers the probes and hands on the rest.
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
			if state := h.state.Load(); probe == "readiness" && state != ready {
				status, body = http.StatusServiceUnavailable, `{"message":"Backend has not started yet","status":"error"}`
				if state == stopping {
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
