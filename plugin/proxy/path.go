package proxy

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/js"
)

// belowMount returns the path of a request below the mount, as it was sent. As in express, a slash that is doubled after the
// mount counts once.
func belowMount(r *http.Request) string {
	path := cmp.Or(r.URL.RawPath, r.URL.EscapedPath()) // EscapedPath alone escapes more than the client did
	if strings.HasPrefix(path, "//") {
		return path[1:]
	}
	return path
}

// traverses reports whether a path leads up, or does not decode. It is Backstage's own check.
func traverses(path string) bool {
	plain, err := url.PathUnescape(path)
	return err != nil || !utf8.ValidString(plain) ||
		slices.Contains(strings.Split(strings.ReplaceAll(plain, `\`, "/"), "/"), "..")
}

// match returns what follows the route in a path. As in express, letter case does not count.
func (o *options) match(path string) (rest string, ok bool) {
	rest, ok = express.CutPrefixFold(path, o.route)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// rule is an entry of pathRewrite.
type rule struct {
	source      string
	pattern     *js.RegExp
	replacement string
}

// outgoing returns the path and query that the target gets. What is rewritten is what the client meant: the route in its own
// case, and no doubled slashes. In a Node backend both let a request past the rules.
func (o *options) outgoing(rest, query string) (string, error) {
	path, err := o.rewritten(prefix+o.route+mergeSlashes(rest), query)
	return o.join(path), err
}

// rewritten applies the first rule that matches to a path with its query.
func (o *options) rewritten(path, query string) (string, error) {
	if !o.customRules {
		return "/" + strings.TrimPrefix(path[len(prefix+o.route):], "/") + query, nil
	}
	whole := express.EncodeURL(path + query)
	for _, r := range o.rules {
		if result, matched, err := r.pattern.Replace(whole, r.replacement); matched || err != nil {
			return result, err
		}
	}
	return whole, nil
}

// join puts the path of the target before that of a request, as http-proxy does.
func (o *options) join(path string) string {
	path, query, hasQuery := strings.Cut(path, "?")
	base := o.target.EscapedPath()
	if o.target.RawQuery != "" {
		base += "?" + o.target.RawQuery
	}
	if path = mergeSlashes(base + "/" + path); hasQuery {
		path += "?" + query
	}
	return express.EncodeURL(path)
}

var slashes = regexp.MustCompile(`/{2,}`)

// mergeSlashes merges doubled slashes, except those of the first URL in a path.
func mergeSlashes(path string) string {
	if !strings.Contains(path, "//") {
		return path
	}
	path = slashes.ReplaceAllString(path, "/")
	return strings.Replace(strings.Replace(path, "http:/", "http://", 1), "https:/", "https://", 1)
}
