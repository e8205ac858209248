package appconfig

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

var (
	urlScheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)
	// urlHost is an IPv6 address in brackets or a name, and a port.
	urlHost = regexp.MustCompile(`^(?:\[([^]]*)]|([^ #/:<>?@[\\\]^|]+))(?::([0-9]*))?$`)
)

// parseURL parses an argument as JavaScript's URL class does. It returns nil for a path: a string that is not a URL,
// or a URL without a host.
func parseURL(arg string) *url.URL {
	text := strings.TrimFunc(arg, func(r rune) bool { return r <= ' ' })
	text = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(text)
	scheme, rest, _ := strings.Cut(text, ":")
	scheme = strings.ToLower(scheme)
	web := slices.Contains([]string{"http", "https", "ws", "wss", "ftp"}, scheme)
	if web || scheme == "file" {
		rest = strings.ReplaceAll(rest, `\`, "/")
	}
	if web {
		rest = "//" + strings.TrimLeft(rest, "/") // any number of slashes is allowed
	}
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok || !urlScheme.MatchString(scheme) {
		return nil
	}
	host := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		host = rest[:end]
	}
	path := rest[len(host):]
	if scheme == "file" {
		if strings.Contains(host, ":") || strings.EqualFold(host, "localhost") { // a drive, or this machine
			return nil
		}
	} else {
		host = host[strings.LastIndexByte(host, '@')+1:]
	}
	if !validHost(host, web || scheme == "file") {
		return nil
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil { // JavaScript accepts more than Go after the host
		path, _, _ = strings.Cut(path, "#")
		path, query, _ := strings.Cut(path, "?") // which may hold a token, and is not shown
		u = &url.URL{Scheme: scheme, Host: host, Path: path, RawQuery: query}
	}
	return u
}

// validHost reports whether JavaScript accepts a host and its port. The name may be percent-encoded in a web address.
func validHost(host string, web bool) bool {
	m := urlHost.FindStringSubmatch(host)
	if m == nil {
		return false
	}
	if _, err := strconv.ParseUint(m[3], 10, 16); err != nil && m[3] != "" {
		return false
	}
	if m[2] == "" {
		ip, err := netip.ParseAddr(m[1])
		return err == nil && ip.Is6() && ip.Zone() == ""
	}
	name, err := url.PathUnescape(m[2])
	return !web || err == nil && strings.IndexFunc(name, unicode.IsControl) < 0 && !strings.ContainsAny(name, ` #%/:<>?@[\]^|`)
}

// displayURL returns a URL as it may be shown: without its user and its query, which may hold a password or a token.
func displayURL(u *url.URL) string {
	shown := *u
	shown.User, shown.RawQuery, shown.ForceQuery, shown.Fragment = nil, "", false, ""
	return shown.String()
}

// displayPath returns a path as it may be shown. It may come from a mistyped URL, such as one without a scheme or with
// a port that none has, and hold what displayURL leaves out.
func displayPath(path string) string {
	volume := filepath.VolumeName(path)
	path = path[len(volume):]
	if before, query, _ := strings.Cut(path, "?"); strings.Contains(query, "=") {
		path = before
	}
	if colon, at := strings.IndexByte(path, ':'), strings.LastIndexByte(path, '@'); colon >= 0 && colon < at {
		path = path[:colon+1] + "***" + path[at:]
	}
	return volume + path
}
