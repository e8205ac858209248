// Package gateway passes requests on to another Backstage backend as they are, and its answers back. It does for requests
// that nobody here serves what @backstage/plugin-gateway-backend does for plugins that are not installed, and counts hops in the
// same header.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/forward"
	"github.com/understudy-host/understudy/pkg/httpclient"
	"github.com/understudy-host/understudy/pkg/js"
	"github.com/understudy-host/understudy/pkg/logging"
)

// Time limits. Node closes a connection that is not used for five seconds, so this side has to be the first to do it.
const (
	answerTimeout = 5 * time.Minute
	idleTimeout   = 3 * time.Second
	silence       = 10 * time.Second // between two lines in the log about a backend that does not answer
)

// Gateway is a handler that passes requests on.
type Gateway struct {
	settings Settings
	log      *zap.Logger
	layers   func(http.Handler) http.Handler
	pool     *httpclient.Once
	forward  http.Handler
	reported atomic.Int64 // when it was logged that the backend does not answer, in seconds
	down     atomic.Bool  // it was logged, and the backend has not answered since
}

// New returns a gateway, or nil if there is no target. layers is what belongs around the answers that are not the backend's:
// those to requests that it did not get or did not answer. When ctx ends, upgraded connections and event
// streams are closed.
func New(ctx context.Context, s Settings, log *zap.Logger, layers func(http.Handler) http.Handler) *Gateway {
	if s.Target == nil {
		return nil
	}
	g := &Gateway{settings: s, log: log.With(zap.Stringer("fallback", s.Target)), layers: layers}
	pool, warning := httpclient.NewOnce(httpclient.Options{AnswerTimeout: answerTimeout, IdleTimeout: idleTimeout})
	if warning != nil && s.Target.Scheme == "https" {
		g.log.Warn("certificates of the environment are not used", zap.Error(warning))
	}
	g.pool = pool
	g.forward = forward.New(ctx, forward.Options{
		Transport: &transport{pool}, Rewrite: g.rewrite, Answer: g.answered, Fail: g.fail, Log: log, Whole: true,
	})
	return g
}

// Announce logs that the gateway is in use, unless old has the same target. Both may be nil.
func (g *Gateway) Announce(old *Gateway) {
	if g != nil && (old == nil || *old.settings.Target != *g.settings.Target) {
		g.log.Info("requests that no plugin serves go to the fallback")
	}
}

// Beyond returns the gateway for requests that are not owned, and nil for others. Without a gateway it is nil itself.
func (g *Gateway) Beyond(owned func(*http.Request) bool) func(*http.Request) http.Handler {
	if g == nil {
		return nil
	}
	return func(r *http.Request) http.Handler {
		if owned(r) {
			return nil
		}
		return g
	}
}

// Close closes the connections that are not in use. Requests may go on.
func (g *Gateway) Close() {
	if g != nil {
		g.pool.CloseIdleConnections()
	}
}

// ServeHTTP passes a request on, unless it runs in circles.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n := hops(r.Header); n >= maxHops {
		g.log.Debug("a request runs in circles: the fallback target leads back to this host", zap.Float64("hops", n))
		body := fmt.Sprintf(`{"error":{"name":"LoopDetectedError","message":"Maximum proxy hop count exceeded (%s)"}}`, js.FormatNumber(n))
		g.layers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			express.Send(w, r, http.StatusLoopDetected, express.JSON, []byte(body))
		})).ServeHTTP(w, r)
		return
	}
	g.forward.ServeHTTP(w, r)
}

// answered notes that the backend answers.
func (g *Gateway) answered(*http.Response) error {
	if g.down.Load() && g.down.CompareAndSwap(true, false) {
		g.log.Info("the fallback answers again")
	}
	return nil
}

// messages are for users: nothing in them is internal.
var messages = map[int]string{
	http.StatusBadGateway:     "The backend that serves this path cannot be reached, please try again later",
	http.StatusGatewayTimeout: "The backend that serves this path did not answer in time, please try again later",
	forward.StatusClosed:      "The request did not arrive as a whole",
}

// fail answers a request that the backend did not answer.
func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := forward.Status(r, err)
	if failure, ok := errors.AsType[net.Error](err); status == http.StatusGatewayTimeout && (notDialled(err) || !ok || !failure.Timeout()) {
		status = http.StatusBadGateway
	}
	if status >= http.StatusInternalServerError {
		g.report(err)
	}
	failure := &apierror.Error{
		Status: status, Name: strings.ReplaceAll(http.StatusText(status), " ", "") + "Error", Message: messages[status], Err: err,
	}
	g.layers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		apierror.Write(w, r, logging.URL(r.RequestURI), failure)
	})).ServeHTTP(w, r)
}

// report tells the operator why the backend does not answer, not for every request.
func (g *Gateway) report(err error) {
	now, last := time.Now().Unix(), g.reported.Load()
	if now-last < int64(silence/time.Second) || !g.reported.CompareAndSwap(last, now) {
		g.log.Debug("the fallback does not answer", zap.Error(err))
		return
	}
	g.down.Store(true)
	g.log.Error("the fallback does not answer: start it, or correct "+targetKey+"; the plugins here go on", zap.Error(err))
}
