package httpserver

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// methods are those that Node's parser knows, except CONNECT.
var methods = strings.Fields("ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE " +
	"NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK " +
	"UNLOCK UNSUBSCRIBE")

// knownMethods refuses other methods as Node's parser does, before Backstage's layers see the request.
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

// securityHeaders adds the headers of helmet, as Backstage configures it, to every answer. A handler may replace any
// of them. All answers share the values, so that none allocates its own.
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

// defaultCSP is helmet's Content-Security-Policy with Backstage's two changes: script-src allows eval, and there is
// no form-action.
const defaultCSP = "default-src 'self';base-uri 'self';font-src 'self' https: data:;frame-ancestors 'self';" +
	"img-src 'self' data:;object-src 'none';script-src 'self' 'unsafe-eval';script-src-attr 'none';" +
	"style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests"

// readPolicies reads backend.csp, which changes single directives of the default, and backend.referrer.policy.
func readPolicies(config *appconfig.Config) (csp, referrer string, err error) {
	directives := strings.Split(defaultCSP, ";")
	section, ok, err := config.GetOptionalConfig("backend.csp")
	errs := []error{err}
	if ok {
		for _, key := range section.Keys() {
			name := kebab(key)
			at := slices.IndexFunc(directives, func(d string) bool { return strings.HasPrefix(d+" ", name+" ") })
			if at < 0 {
				at = len(directives)
				directives = append(directives, "")
			}
			if value, _ := section.Get(key); value == false {
				directives = slices.Delete(directives, at, at+1)
				continue
			}
			sources, err := section.GetStringArray(key)
			errs = append(errs, err)
			directives[at] = strings.Join(append([]string{name}, sources...), " ")
		}
	}
	policies, ok, err := config.GetOptionalStringArray("backend.referrer.policy")
	if !ok {
		policies = []string{"no-referrer"}
	}
	return strings.Join(directives, ";"), strings.Join(policies, ","), errors.Join(append(errs, err)...)
}

// wordStart matches where a word of a CSP directive's name begins, or what separates it from the one before.
var wordStart = regexp.MustCompile(`[ _]|([A-Z])`)

// kebab returns a directive's name as the header has it: scriptSrc and script_src are script-src.
func kebab(name string) string {
	return strings.ToLower(strings.TrimPrefix(wordStart.ReplaceAllString(name, "-$1"), "-"))
}
