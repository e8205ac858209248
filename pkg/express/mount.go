package express

import "net/http"

// IsBelow reports whether the request is for the prefix or a path below it, as app.use(prefix, …) of express
// decides: letter case does not count, and an encoded slash is not one.
func IsBelow(r *http.Request, prefix string) bool {
	rest, ok := CutPrefixFold(r.URL.EscapedPath(), prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// StripPrefix gives next the request with the prefix taken off its path, as app.use(prefix, next) does. The
// request must be below the prefix. RequestURI stays whole.
func StripPrefix(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner, location := *r, *r.URL
		inner.URL = &location
		location.Path = strip(prefix, r.URL.Path)
		if r.URL.RawPath != "" {
			location.RawPath = strip(prefix, r.URL.RawPath)
		}
		next.ServeHTTP(w, &inner)
	})
}

func strip(prefix, path string) string {
	if len(path) <= len(prefix) {
		return "/"
	}
	return path[len(prefix):]
}
