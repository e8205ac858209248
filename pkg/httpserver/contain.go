package httpserver

import (
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/logging"
)

// Contain answers a request whose handler panicked with Backstage's 500, or breaks the answer off if it has begun. It
// logs the panic and does not pass it on, except http.ErrAbortHandler, which is not a failure.
func Contain(log *zap.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := Record(w)
		defer func() {
			reason := recover()
			if reason == nil {
				return
			}
			if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			logging.Recovered(log, "request handler panicked", reason,
				zap.String("method", logging.Shown(r.Method, maxMethod)), zap.String("url", logging.Shown(logging.URL(r.RequestURI), maxURL)))
			if recorder.Begun() {
				panic(http.ErrAbortHandler)
			}
			apierror.Write(recorder, r, logging.URL(r.URL.RequestURI()), errors.New("request handler panicked"))
		}()
		next.ServeHTTP(recorder, r)
	})
}
