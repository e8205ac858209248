package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// location returns where a redirect of the target leads by way of this endpoint, or "". Only places on the target itself are
// passed on, and only those that a request through this endpoint reaches: a client that follows it asks the same target, with
// the same checks. Other places would make this backend one that redirects anywhere.
func (e *endpoint) location(answer *http.Response) string {
	given := answer.Header.Values("Location")
	base, err := url.Parse(e.origin() + answer.Request.URL.Opaque)
	if len(given) != 1 || err != nil {
		return ""
	}
	to, err := base.Parse(given[0])
	if err != nil || to.User != nil || to.Opaque != "" || to.Scheme != base.Scheme || !sameHost(to, base) {
		return ""
	}
	fragment := ""
	if to.Fragment != "" {
		fragment = "#" + to.EscapedFragment()
	}
	query := ""
	if to.RawQuery != "" {
		query = "?" + to.RawQuery
	}
	for _, path := range e.candidates(to.EscapedPath()) {
		rest, ok := e.match(strings.TrimPrefix(path, prefix))
		if !ok || !strings.HasPrefix(path, prefix) || traverses(rest) {
			continue
		}
		if reached, err := e.outgoing(rest, query); err == nil && reached == e.join(to.EscapedPath()[len(e.base()):]+query) {
			return e.mount + e.route + rest + query + fragment
		}
	}
	return ""
}

// base returns the path of the target without a slash at its end.
func (o *options) base() string { return strings.TrimRight(o.target.EscapedPath(), "/") }

// candidates returns paths here that may lead to a path of the target: the rules read backwards, as far as they are plain.
func (o *options) candidates(path string) []string {
	rest, ok := strings.CutPrefix(path, o.base())
	if !ok || rest != "" && rest[0] != '/' {
		return nil
	}
	list := []string{prefix + o.route + rest}
	for _, r := range o.rules {
		if tail, ok := strings.CutPrefix(rest, r.replacement); ok {
			list = append(list, strings.TrimSuffix(strings.TrimPrefix(r.source, "^"), "?")+tail)
		}
	}
	return list
}

// sameHost reports whether two URLs with the same scheme have the same host and port.
func sameHost(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if u.Port() != "" {
			return u.Port()
		}
		return map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}
