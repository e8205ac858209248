package httpserver

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
		next.ServeHTTP(recorder, r)
		if entry := log.Check(zap.InfoLevel, ""); entry != nil { // otherwise nobody reads the line
			status, uri, referrer := cmp.Or(recorder.status, http.StatusOK), visible(logging.URL(r.RequestURI)), logging.URL(r.Referer())
			entry.Message = fmt.Sprintf("[%s] \"%s %s HTTP/%d.%d\" %d %d %s %s", begin.UTC().Format("2006-01-02T15:04:05.000Z"),
				r.Method, uri, r.ProtoMajor, r.ProtoMinor, status, recorder.bytes, quoted(referrer), quoted(r.UserAgent()))
			entry.Write(zap.String("method", r.Method), zap.String("url", uri), zap.Int("status", status), zap.Duration("duration", time.Since(begin)))
		}
	})
}

// visible escapes characters that browsers never put in URLs: quotes, which would end the one in the log line, and
// bytes beyond ASCII, which include control characters for terminals.
func visible(uri string) string {
	if strings.IndexFunc(uri, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }) < 0 {
		return uri
	}
	escaped := strconv.QuoteToASCII(uri)
	return escaped[1 : len(escaped)-1]
}

// quoted returns the first 512 bytes of a request's header in quotes and escaped, to keep the log entry on one line.
func quoted(value string) string {
	if value == "" {
		return `"-"`
	}
	return strconv.QuoteToASCII(value[:min(len(value), 512)])
}
