package coder

import (
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/js"
	"github.com/understudy-host/understudy/pkg/logging"
)

// maxParams is the most parameters that npm's qs reads.
const maxParams = 1000

// parseQuery reads a query or a form as npm's qs does: a semicolon is a character like any other, a value that
// does not decode stays as it is, and x[0] is an element of a list as x[] is.
func parseQuery(raw string) url.Values {
	values := make(url.Values)
	for i, pair := range strings.SplitN(raw, "&", maxParams+1) {
		name, value, _ := strings.Cut(strings.ReplaceAll(pair, "+", " "), "=")
		if name = js.DecodeURIComponent(name); pair == "" || i == maxParams {
			continue
		}
		if list, index, ok := strings.Cut(name, "["); ok && index != "" && strings.Trim(index, "[]0123456789") == "" {
			name = list + "[]"
		}
		values.Add(name, js.DecodeURIComponent(value))
	}
	return values
}

// param is a query parameter as Backstage reads it, `req.query.x?.toString()`: the values of a repeated one
// are joined with commas, x[]=a counts as x=a, and x[k]=a makes an object. ok tells whether it is there.
func param(query url.Values, name string) (value string, ok bool) {
	values := append(append([]string(nil), query[name]...), query[name+"[]"]...)
	for key := range query {
		if strings.HasPrefix(key, name+"[") && key != name+"[]" {
			values = append(values, "[object Object]")
		}
	}
	return strings.Join(values, ","), len(values) > 0
}

// single returns a parameter that is there exactly once and is plain text, else "".
func single(query url.Values, name string) string {
	for key := range query {
		if strings.HasPrefix(key, name+"[") {
			return ""
		}
	}
	if len(query[name]) != 1 {
		return ""
	}
	return query[name][0]
}

// shownURL is the URL in an error's body: below Backstage's auth router, and without codes and states.
func shownURL(r *http.Request) string {
	// The case of the path is the client's: routes match in any.
	const above = "/api/auth"
	uri := r.RequestURI
	if len(uri) < len(above) || !strings.EqualFold(uri[:len(above)], above) {
		uri = "/coder" + r.URL.RequestURI() // an absolute-form request line, or another mount
	} else {
		uri = uri[len(above):]
	}
	return logging.URL(uri)
}

// fail answers with Backstage's JSON error. The cause goes to the log, never to the client.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	quiet(w.Header())
	// The client's own mistakes are in the request log; what is ours, or Coder's, is worth a line.
	e := apierror.From(err)
	if e.Status >= http.StatusInternalServerError {
		h.log.Error("request failed", zap.String("url", shownURL(r)), zap.Int("status", e.Status), zap.Error(e))
	}
	apierror.Write(w, r, shownURL(r), e)
}

// refusal reads what Coder put into the callback's query when it said no, confined to what RFC 6749, section
// 4.1.2.1 allows. Both come through the browser: unless the state proves them to be Coder's, the description
// is left out, for anyone could have written it into a link.
func refusal(query url.Values, proven bool) (code, description string) {
	code, _ = param(query, "error")
	if !isErrorCode(code) {
		code = "unknown_error"
	}
	if !proven {
		return code, ""
	}
	description, _ = param(query, "error_description")
	description = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return -1
		}
		return c
	}, description)
	return code, strings.TrimSpace(description[:min(len(description), 300)])
}
