package origin

import (
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// Never says why a pattern can match no origin of a web page, or returns "" if it can match one. Such a pattern is a
// mistake: it allows less than it seems to. The reason does not quote the pattern.
func Never(pattern string) (reason string) {
	var expanded expansion
	if expanded.add(pattern) != nil {
		return "" // Compile refuses it
	}
	for _, alternative := range expanded.list {
		if reason = never(slashes(strings.ToLower(alternative))); reason == "" {
			return ""
		}
	}
	return reason
}

// never is Never for a pattern without braces, as Compile has it.
func never(pattern string) string {
	if pattern == "null" {
		return ""
	}
	scheme, rest, _ := strings.Cut(pattern, "/")
	host, path, hasPath := strings.Cut(rest, "/")
	literal := !strings.ContainsAny(pattern, wildcards)
	switch {
	case host == "" || !strings.HasSuffix(scheme, ":"):
		return "it has no scheme, expected http:// or https:// at its beginning"
	case !strings.ContainsAny(scheme, wildcards) && scheme != "http:" && scheme != "https:":
		return "its scheme is not http or https"
	case hasPath && path == "":
		return "it ends with a slash, and origins do not"
	case hasPath:
		return "it has a path, and origins have none"
	case strings.Contains(host, "@"):
		return "it has a user, and origins have none"
	case !isASCII(host):
		return "its host is not ASCII, and browsers send names in Punycode (xn--…)"
	case strings.ContainsAny(host, "#%<>^|\"`{} ") || strings.ContainsFunc(pattern, unicode.IsControl):
		return "it has a character that no origin has"
	case scheme == "http:" && strings.HasSuffix(host, ":80"), scheme == "https:" && strings.HasSuffix(host, ":443"):
		return "its port is the usual one of its scheme, which browsers leave out"
	case hasAddressSet(host):
		return `[ ] is a set of characters, not an IPv6 address, which is written \[::1\]`
	case literal || !strings.ContainsAny(strings.NewReplacer(`\[`, "", `\]`, "").Replace(pattern), wildcards):
		return neverExact(scheme + "//" + strings.NewReplacer(`\`, "").Replace(host))
	}
	return ""
}

// hasAddressSet reports whether a host has a set that was meant to be an IPv6 address.
func hasAddressSet(host string) bool {
	open := strings.IndexByte(host, '[')
	if open < 0 || open > 0 && host[open-1] == '\\' {
		return false
	}
	set, _, closed := strings.Cut(host[open+1:], "]")
	_, err := netip.ParseAddr(set)
	return closed && (err == nil || strings.Count(set, ":") > 1)
}

// neverExact is never for an origin without wildcards, which browsers have to send in exactly this form.
func neverExact(origin string) string {
	const reason = "it is not in the form that browsers send"
	o, err := OfASCII(origin)
	if err != nil || o != origin {
		return reason
	}
	u, _ := url.Parse(origin)
	host := u.Hostname()
	last := host[strings.LastIndexByte(host, '.')+1:]
	if address, err := netip.ParseAddr(host); err == nil && (address.String() != host || address.Zone() != "") ||
		err != nil && last != "" && strings.Trim(last, "0123456789") == "" || err != nil && strings.HasPrefix(last, "0x") {
		return reason // browsers read it as an IP address, and write that otherwise
	}
	return ""
}
