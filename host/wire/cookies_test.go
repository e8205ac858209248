package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	nonceShape = regexp.MustCompile(`^[A-Za-z0-9+/]{22}==$`)
	chunkName  = regexp.MustCompile(`-(refresh-token|granted-scope)-\d+$`)
	tokenName  = regexp.MustCompile(`refresh-token|scope`)
	peerCookie = regexp.MustCompile(`-(nonce|refresh-token|granted-scope)(-\d+)?$`)
)

// cookieValue returns a known value, or the shape of a random one.
func (n *normalizer) cookieValue(name, raw string) string {
	value, err := url.PathUnescape(raw)
	if err != nil {
		value = raw
	}
	own := strings.HasPrefix(value, "wire-") || strings.HasPrefix(value, "big-") || strings.HasPrefix(value, "own-")
	switch {
	case raw == "":
		return ""
	case strings.HasSuffix(name, "nonce") && nonceShape.MatchString(value):
		return "<nonce: 16 bytes, base64>"
	case strings.HasSuffix(name, "nonce"):
		return fmt.Sprintf("<nonce: other shape, %d characters>", len(value))
	case len(value) > 100 && (own || chunkName.MatchString(name) || tokenName.MatchString(name)):
		return digested(value)
	case own || tokenName.MatchString(name):
		return value
	}
	return "<opaque>"
}

func (n *normalizer) setCookie(line string) (key string, out map[string]any) {
	c := parseSetCookie(line)
	out = map[string]any{"value": n.cookieValue(c.name, c.value)}
	for name, value := range c.attributes {
		out[name] = value
		if c.bare[name] {
			out[name] = true
		}
	}
	if date, ok := c.attributes["expires"]; ok {
		out["expires"] = "<date>"
		if age, err := strconv.Atoi(c.attributes["max-age"]); err == nil {
			expires, err := http.ParseTime(date)
			drift := time.Until(expires) - time.Duration(age)*time.Second
			out["expiresAgreesWithMaxAge"] = err == nil && drift.Abs() < 15*time.Second
		}
	}
	if !peerCookie.MatchString(c.name) { // a cookie of ours must be out of reach of scripts and other sites
		out["hardened"] = c.bare["httponly"] && slices.Contains([]string{"lax", "strict", "none"}, strings.ToLower(c.attributes["samesite"])) &&
			(n.backend.Scheme != "https" || c.bare["secure"]) && strings.HasPrefix(c.attributes["path"], "/api/auth/")
	}
	key = c.name + "; Path=" + c.attributes["path"]
	if domain := c.attributes["domain"]; domain != "" {
		key += "; Domain=" + domain
	}
	if c.value == "" {
		key += " (emptied)"
	}
	return key, out
}

func (n *normalizer) jar(j *jar) map[string]any {
	out := map[string]any{}
	for _, c := range j.cookies {
		key := c.name + "; Path=" + c.path
		if !c.hostOnly {
			key += "; Domain=" + c.domain
		}
		out[key] = n.cookieValue(c.name, c.value)
	}
	return out
}
