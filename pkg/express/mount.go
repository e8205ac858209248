package express

import (
	"net/http"
	"path"
)

// IsBelow reports whether the request is for the prefix or a path below it, as app.use(prefix, …) of express
// decides: letter case does not count, and an encoded slash is not one.
func IsBelow(r *http.Request, prefix string) bool { return isBelow(r.URL.EscapedPath(), prefix) }

// MayBeBelow reports whether any server could take the request for one that is below the prefix. Some decode a path, merge
// its slashes or follow its dots. express itself takes /api//x for below /api/x if there is a router at /api.
func MayBeBelow(r *http.Request, prefix string) bool {
	return IsBelow(r, prefix) || isBelow(path.Clean(r.URL.Path), prefix)
}

func isBelow(path, prefix string) bool {
	rest, ok := CutPrefixFold(path, prefix)
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
