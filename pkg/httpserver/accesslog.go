package httpserver

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/logging"
)

// accessLog writes Backstage's line for each answered request. Its URLs have no values of parameters such as code,
// state and token.
func accessLog(log *zap.Logger, next http.Handler) http.Handler {
	log = log.With(zap.String("type", "incomingRequest"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder, begin := Record(w), time.Now()
		defer func() { // also of an answer that is broken off
			entry := log.Check(zap.InfoLevel, "")
			if entry == nil { // nobody reads the line
				return
			}
			status, uri, method := cmp.Or(recorder.status, http.StatusOK), logging.Shown(logging.URL(r.RequestURI), maxURL), logging.Shown(r.Method, maxMethod)
			entry.Message = fmt.Sprintf("[%s] \"%s %s HTTP/%d.%d\" %d %d %s %s", begin.UTC().Format("2006-01-02T15:04:05.000Z"),
				method, uri, r.ProtoMajor, r.ProtoMinor, status, recorder.bytes, quoted(logging.URL(r.Referer())), quoted(r.UserAgent()))
			entry.Write(zap.String("method", method), zap.String("url", uri), zap.Int("status", status), zap.Duration("duration", time.Since(begin)))
		}()
		next.ServeHTTP(recorder, r)
	})
}

// Limits on what the log has of a request, in bytes.
const (
	maxMethod = 32
	maxURL    = 1024
	maxField  = 512
)

// quoted returns a header of a request in quotes.
func quoted(value string) string {
	if value == "" {
		return `"-"`
	}
	return `"` + logging.Shown(value, maxField) + `"`
}
