package httpserver

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/logging"
)

// accessLog writes Backstage's line for each answered request, with the values of code, state, token and
// the like left out of its URLs.
func accessLog(log *zap.Logger, next http.Handler) http.Handler {
	log = log.With(zap.String("type", "incomingRequest"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := Record(w)
		begin := time.Now()
		next.ServeHTTP(recorder, r)
		entry := log.Check(zap.InfoLevel, "")
		if entry == nil {
			return
		}
		if recorder.status == 0 {
			recorder.status = http.StatusOK
		}
		uri, referrer := visible(logging.URL(r.RequestURI)), logging.URL(r.Referer())
		entry.Message = fmt.Sprintf("[%s] \"%s %s HTTP/%d.%d\" %d %d %s %s", begin.UTC().Format("2006-01-02T15:04:05.000Z"),
			r.Method, uri, r.ProtoMajor, r.ProtoMinor, recorder.status, recorder.bytes, quoted(referrer), quoted(r.UserAgent()))
		entry.Write(zap.String("method", r.Method), zap.String("url", uri), zap.Int("status", recorder.status),
			zap.Duration("duration", time.Since(begin)))
	})
}

// visible escapes what no URL of a browser's holds: quotes, which would end the one in the log line, and raw
// bytes beyond ASCII, among them control characters that terminals obey.
func visible(uri string) string {
	if strings.IndexFunc(uri, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }) < 0 {
		return uri
	}
	text := strconv.QuoteToASCII(uri)
	return text[1 : len(text)-1]
}

// quoted shows a header of the client's in a log line that stays one line, whatever is in it.
func quoted(value string) string {
	if value == "" {
		return `"-"`
	}
	if len(value) > 512 {
		value = value[:512]
	}
	return strconv.QuoteToASCII(value)
}
