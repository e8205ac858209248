package coder

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/js"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// noStore marks an answer that holds a token or is about one. The host neither compresses it nor gives it an ETag.
func noStore(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
}

// writeJSON answers with value as express' res.json does.
func writeJSON(w http.ResponseWriter, r *request, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	express.Send(w, r.Request, http.StatusOK, express.JSON, body)
	return nil
}

// fail answers with Backstage's JSON error. The cause goes to the log and never to the client.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	noStore(w.Header())
	// Mistakes of the client are in the request log; those of this backend and of Coder get a line of their own.
	e := apierror.From(err)
	if e.Status >= http.StatusInternalServerError {
		h.log.Error("request failed", zap.String("url", shownURL(r)), zap.Int("status", e.Status), zap.Error(e))
	}
	h.logForeign(e)
	if isNavigation(r) && h.failPage(w, r, err) == nil {
		return
	}
	apierror.Write(w, r, shownURL(r), e)
}

// logForeign tells the operator which key allows an app that was refused.
func (h *handler) logForeign(e *apierror.Error) {
	if isForeign(e.Message) {
		h.log.Warn("the origin of an app is not allowed: if it is one of yours, add it to auth.experimentalExtraAllowedOrigins",
			zap.String("error", e.Message))
	}
}

// isBusy reports whether err is that Coder was not asked because too many requests wait for it.
func isBusy(err error) bool {
	failure, ok := errors.AsType[*upstream.Error](err)
	return ok && failure.Kind == upstream.Busy
}

// notAsked reports whether err is that Coder was not asked.
func notAsked(err error) bool {
	failure, ok := errors.AsType[*upstream.Error](err)
	return ok && failure.NotAsked()
}

// retryAfter says when to come back, if Coder was not asked because too many requests wait for it. The connection is not
// kept: a flood would hold one descriptor for each.
func retryAfter(w http.ResponseWriter, err *upstream.Error) {
	if err.Kind == upstream.Busy {
		w.Header().Set("Retry-After", strconv.Itoa(int(err.RetryAfter/time.Second)))
		w.Header().Set("Connection", "close")
	}
}

// shownURL returns the URL as an error shows it: relative to Backstage's auth router, without codes and states.
func shownURL(r *http.Request) string {
	uri, ok := express.CutPrefixFold(r.RequestURI, "/api/auth")
	if !ok {
		uri = "/coder" + r.URL.RequestURI() // an absolute-form request line, or another mount
	}
	return logging.URL(uri)
}

// plainError is JavaScript's Error, which Backstage throws if none of its own kinds of error fits.
func plainError(message string) *apierror.Error {
	return &apierror.Error{Status: http.StatusInternalServerError, Name: "Error", Message: message}
}

// redirectToCoder sends the browser to Coder's consent page, without a body as passport does.
func redirectToCoder(w http.ResponseWriter, authorizeURL string) {
	noStore(w.Header())
	w.Header().Set("Location", authorizeURL)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusFound)
}

// redirectToApp ends a redirect flow. If err is not nil, its message is added to the URL.
func redirectToApp(w http.ResponseWriter, r *http.Request, target string, err error) {
	if err != nil {
		target = withError(target, apierror.From(err).Message)
	}
	noStore(w.Header())
	express.Redirect(w, r, target)
}

// withError sets the error parameter of a URL, in place if there is one. As in JavaScript's URL, the other
// parameters are encoded as in a form, and an empty path becomes a slash.
func withError(target, message string) string {
	target, fragment, _ := strings.Cut(target, "#")
	path, query, _ := strings.Cut(target, "?")
	if strings.Count(path, "/") == 2 && !strings.HasPrefix(path, "/") {
		path += "/"
	}
	parts, set := []string(nil), false
	for part := range strings.SplitSeq(query+"&error=", "&") {
		name, value, _ := strings.Cut(strings.ReplaceAll(part, "+", " "), "=")
		if part == "" || name == "error" && set {
			continue
		}
		if name == "error" {
			value, set = message, true
		}
		parts = append(parts, url.QueryEscape(js.DecodeURIComponent(name))+"="+url.QueryEscape(js.DecodeURIComponent(value)))
	}
	target = path + "?" + strings.Join(parts, "&")
	if fragment != "" {
		target += "#" + fragment
	}
	return target
}
