// Package origin decides which web origins are allowed. It matches the glob patterns of backend.cors.origin and
// auth.experimentalExtraAllowedOrigins as Backstage does, which uses npm's minimatch with nocase and noglobstar.
package origin

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Matcher is a list of origin patterns. The zero value matches nothing. It is safe for concurrent use.
type Matcher struct {
	exact    map[string]bool // patterns without a wildcard, in lower case
	patterns []*regexp.Regexp
}

// Compile reads patterns. `*` matches any number of characters except `/`, `?` matches one, `[a-z]` one of a set, and
// `{a,b}` either of two. A `*` matches dots too. Letter case does not count. `**` is the same as `*`. Braces may make
// 1,000 alternatives in all. The error names the pattern by its place, since it may hold a password.
func Compile(patterns ...string) (Matcher, error) {
	m := Matcher{exact: make(map[string]bool)}
	var expanded expansion
	for i, pattern := range patterns {
		expanded.list = nil
		if err := expanded.add(pattern); err != nil {
			return Matcher{}, fmt.Errorf("origin pattern %d %w", i+1, err)
		}
		for _, alternative := range expanded.list {
			alternative = slashes(strings.ToLower(alternative))
			if !strings.ContainsAny(alternative, wildcards) {
				m.exact[alternative] = true
				continue
			}
			segments := strings.Split(alternative, "/")
			for j, segment := range segments {
				segments[j] = translate(segment)
			}
			compiled, err := regexp.Compile("^" + strings.Join(segments, "/") + "$")
			if err != nil {
				return Matcher{}, fmt.Errorf("origin pattern %d is not a pattern, expected something like https://*.example.com", i+1)
			}
			m.patterns = append(m.patterns, compiled)
		}
	}
	return m, nil
}

// wildcards are the characters that make an alternative more than an exact origin.
const wildcards = `*?[\`

// Match reports whether origin, the value of an Origin header, is allowed. As in Backstage, letter case and one
// trailing slash do not count. Unlike in Backstage, no wildcard matches the origin "null".
func (m Matcher) Match(origin string) bool {
	if origin == "" || len(origin) > 2048 {
		return false
	}
	origin = strings.TrimSuffix(slashes(strings.ToLower(origin)), "/")
	// Every sandboxed frame and local file has the origin "null": only a pattern with exactly that name allows it.
	if m.exact[origin] || origin == "null" {
		return m.exact[origin]
	}
	return slices.ContainsFunc(m.patterns, func(pattern *regexp.Regexp) bool { return pattern.MatchString(origin) })
}

// Of returns the origin of rawURL in its normal form, without a default port: "https://app.example.com". It fails if
// rawURL is not an absolute http or https URL. The error does not quote rawURL, which may hold a password or be a
// secret in the wrong place.
func Of(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err == nil && len(u.Hostname()) > maxHost {
		return "", fmt.Errorf("the value is a URL with a host of more than %d bytes", maxHost)
	}
	host, port := "", uint64(0)
	if err == nil {
		host, err = asciiHost(u.Hostname())
	}
	if err == nil && u.Port() != "" {
		port, err = strconv.ParseUint(u.Port(), 10, 16)
	}
	if err != nil || !strings.EqualFold(u.Scheme, "http") && !strings.EqualFold(u.Scheme, "https") || host == "" {
		if strings.Contains(rawURL, "@") {
			return "", errors.New("a value with a user in it is not an absolute http or https URL")
		}
		return "", errors.New("the value is not an absolute http or https URL")
	}
	scheme := strings.ToLower(u.Scheme)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	usual := scheme == "http" && port == 80 || scheme == "https" && port == 443
	if u.Port() != "" && !usual {
		host += ":" + strconv.FormatUint(port, 10)
	}
	return scheme + "://" + host, nil
}

// OfASCII is Of for a URL from a request. It also fails if the host is not ASCII, in clear or percent-encoded, or has a
// label in Punycode that no name has: browsers might read such a host as another one.
func OfASCII(rawURL string) (string, error) {
	o, err := Of(rawURL)
	if err != nil {
		return "", err
	}
	u, _ := url.Parse(rawURL) // by Of, too
	host := u.Hostname()
	if !isASCII(host) {
		return "", errors.New("a URL with a host that is not ASCII, expected its name in Punycode (xn--…)")
	}
	for label := range strings.SplitSeq(strings.ToLower(host), ".") {
		if !strings.HasPrefix(label, punycode) {
			continue
		}
		name, err := idna.Lookup.ToUnicode(label)
		if again, err2 := idna.Lookup.ToASCII(name); err != nil || err2 != nil || again != label || isASCII(name) {
			return "", errors.New("a URL with a host that is not a name in Punycode")
		}
	}
	return o, nil
}

const punycode = "xn--"

// maxHost is the length of the longest name in the DNS, in bytes. Longer hosts are refused before they are written in
// Punycode, which takes a time that grows with the square of the length.
const maxHost = 253

// asciiHost returns host as browsers have it in an Origin header: in lower case, and in Punycode if it is not ASCII. It
// fails for hosts that no browser accepts, such as one with a letter that counts as a slash or an at sign, and for those
// that mix such letters with labels in Punycode, which programs read differently.
func asciiHost(host string) (string, error) {
	if isASCII(host) {
		return strings.ToLower(host), nil
	}
	if strings.Contains(strings.ToLower(host), punycode) {
		return "", errors.New("mixed with Punycode")
	}
	return idna.Lookup.ToASCII(host)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c > unicode.MaxASCII }) < 0
}

// slashes replaces each run of slashes with one, since minimatch compares path segments.
func slashes(s string) string {
	for strings.Contains(s, "//") {
		s = strings.ReplaceAll(s, "//", "/")
	}
	return s
}

// translate returns the regular expression for the part of a glob between two slashes. A `*` at its beginning
// does not match a first dot, and a single `*` does not match an empty segment.
func translate(segment string) string {
	var b strings.Builder
	for i := 0; i < len(segment); i++ {
		switch c := segment[i]; c {
		case '*':
			for i+1 < len(segment) && segment[i+1] == '*' {
				i++
			}
			if rest := segment[i+1:]; strings.TrimLeft(segment[:i+1], "*") != "" {
				b.WriteString("[^/]*")
			} else if rest == "" || rest[0] == '.' {
				b.WriteString("[^/.][^/]*")
			} else {
				b.WriteString("(?:[^/.][^/]*)?")
			}
		case '?':
			b.WriteString("[^/]")
		case '[':
			end := strings.IndexByte(segment[i:], ']')
			if end < 2 {
				b.WriteString(`\[`)
				continue
			}
			set := segment[i+1 : i+end]
			if set[0] == '!' {
				set = "^/" + set[1:]
			}
			b.WriteString("[" + set + "]")
			i += end
		case '\\':
			if i+1 < len(segment) {
				i++
			}
			b.WriteString(regexp.QuoteMeta(segment[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String()
}
