package httpserver

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// methods are those that Node's parser knows, but for CONNECT.
var methods = strings.Fields("ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE " +
	"NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK " +
	"UNLOCK UNSUBSCRIBE")

// knownMethods refuses other methods as Node's parser does, before anything of Backstage sees the request.
func knownMethods(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// securityHeaders sets what helmet, as Backstage configures it, puts on every answer. A handler may replace
// any of them. The values are shared between answers: one allocation for none of them.
func securityHeaders(csp, referrer string, next http.Handler) http.Handler {
	fixed := map[string][]string{
		"Referrer-Policy":                   {referrer},
		"Strict-Transport-Security":         {"max-age=15552000; includeSubDomains"},
		"X-Content-Type-Options":            {"nosniff"},
		"X-Dns-Prefetch-Control":            {"off"},
		"X-Download-Options":                {"noopen"},
		"X-Frame-Options":                   {"SAMEORIGIN"},
		"X-Permitted-Cross-Domain-Policies": {"none"},
		"X-Xss-Protection":                  {"0"},
	}
	if csp != "" {
		fixed["Content-Security-Policy"] = []string{csp}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		maps.Copy(header, fixed)
		next.ServeHTTP(w, r)
	})
}

// directive is one directive of a Content-Security-Policy.
type directive struct {
	name    string
	sources []string
}

// defaultDirectives are helmet's, with the two changes that Backstage makes: script-src allows eval and
// form-action is left out.
func defaultDirectives() []directive {
	return []directive{
		{"default-src", []string{"'self'"}},
		{"base-uri", []string{"'self'"}},
		{"font-src", []string{"'self'", "https:", "data:"}},
		{"frame-ancestors", []string{"'self'"}},
		{"img-src", []string{"'self'", "data:"}},
		{"object-src", []string{"'none'"}},
		{"script-src", []string{"'self'", "'unsafe-eval'"}},
		{"script-src-attr", []string{"'none'"}},
		{"style-src", []string{"'self'", "https:", "'unsafe-inline'"}},
		{"upgrade-insecure-requests", nil},
	}
}

// policy writes directives as one header value.
func policy(directives []directive) string {
	parts := make([]string, len(directives))
	for i, d := range directives {
		parts[i] = strings.Join(append([]string{d.name}, d.sources...), " ")
	}
	return strings.Join(parts, ";")
}
