package wire

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// jar is a browser's cookie jar (RFC 6265, sections 5.3 and 5.4) for one host name.
type jar struct {
	host    string
	secure  bool
	cookies []stored
}

type stored struct {
	name, value, domain, path string
	hostOnly, secure          bool
}

// setCookie is one Set-Cookie line. Attribute names are in lower case, and attributes without a value are "".
type setCookie struct {
	name, value string
	attributes  map[string]string
	bare        map[string]bool // attributes written without "="
}

func parseSetCookie(line string) setCookie {
	first, rest, _ := strings.Cut(line, ";")
	name, value, _ := strings.Cut(first, "=")
	out := setCookie{strings.TrimSpace(name), strings.TrimSpace(value), map[string]string{}, map[string]bool{}}
	for part := range strings.SplitSeq(rest, ";") {
		key, value, valued := strings.Cut(part, "=")
		if key = strings.ToLower(strings.TrimSpace(key)); key != "" {
			out.attributes[key], out.bare[key] = strings.TrimSpace(value), !valued
		}
	}
	return out
}

// take stores, replaces or deletes a cookie as a browser does for an answer from path.
func (j *jar) take(line, path string) {
	c := parseSetCookie(line)
	domain := strings.ToLower(strings.TrimPrefix(c.attributes["domain"], "."))
	if domain != "" && domain != j.host && !strings.HasSuffix(j.host, "."+domain) {
		return
	}
	_, secure := c.attributes["secure"]
	if secure && !j.secure {
		return
	}
	s := stored{name: c.name, value: c.value, domain: cmp.Or(domain, j.host), hostOnly: domain == "", secure: secure}
	if s.path = c.attributes["path"]; !strings.HasPrefix(s.path, "/") {
		s.path = defaultPath(path)
	}
	at := slices.IndexFunc(j.cookies, func(o stored) bool {
		return o.name == s.name && o.domain == s.domain && o.path == s.path
	})
	switch {
	case expired(c.attributes) && at >= 0:
		j.cookies = slices.Delete(j.cookies, at, at+1)
	case expired(c.attributes):
	case at >= 0:
		j.cookies[at] = s
	default:
		j.cookies = append(j.cookies, s)
	}
}

func expired(attributes map[string]string) bool {
	if age, ok := attributes["max-age"]; ok {
		seconds, err := strconv.Atoi(age)
		return err == nil && seconds <= 0
	}
	expires, err := http.ParseTime(attributes["expires"])
	return err == nil && !expires.After(time.Now())
}

func defaultPath(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if last := strings.LastIndexByte(path, '/'); last > 0 {
		return path[:last]
	}
	return "/"
}

// value returns the value of the oldest cookie with a name.
func (j *jar) value(name string) (string, bool) {
	at := slices.IndexFunc(j.cookies, func(c stored) bool { return c.name == name })
	if at < 0 {
		return "", false
	}
	return j.cookies[at].value, true
}

// header returns the Cookie header for a request to path. Cookies with longer paths come first.
func (j *jar) header(path string) string {
	path, _, _ = strings.Cut(path, "?")
	var fitting []stored
	for _, c := range j.cookies {
		below := strings.HasPrefix(path, c.path) &&
			(strings.HasSuffix(c.path, "/") || len(path) == len(c.path) || path[len(c.path)] == '/')
		mine := c.domain == j.host || !c.hostOnly && strings.HasSuffix(j.host, "."+c.domain)
		if below && mine && (!c.secure || j.secure) {
			fitting = append(fitting, c)
		}
	}
	slices.SortStableFunc(fitting, func(a, b stored) int { return len(b.path) - len(a.path) })
	var parts []string
	for _, c := range fitting {
		parts = append(parts, c.name+"="+c.value)
	}
	return strings.Join(parts, "; ")
}
