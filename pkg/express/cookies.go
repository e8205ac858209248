package express

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/js"
)

// ParseCookies reads Cookie headers as npm's cookie does, by name: quotes are dropped, and a value that does not decode
// is kept as it is. npm's cookie takes the first of two cookies of one name; here all are there, in the order sent.
func ParseCookies(headers []string) map[string][]string {
	cookies := make(map[string][]string)
	for pair := range strings.SplitSeq(strings.Join(headers, ";"), ";") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		// npm's cookie drops quotes first and decodes what was in them.
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		cookies[name] = append(cookies[name], js.DecodeURIComponent(value))
	}
	return cookies
}

// sameSite are the values of the attribute.
var sameSite = map[http.SameSite]string{
	http.SameSiteLaxMode: "Lax", http.SameSiteNoneMode: "None", http.SameSiteStrictMode: "Strict",
}

// SetCookie adds the line of a cookie to header.
func SetCookie(header http.Header, c *http.Cookie) { header.Add("Set-Cookie", CookieLine(c)) }

// CookieLine returns the Set-Cookie line of a cookie as npm's cookie serializes it: the value percent-encoded, and the
// attributes in its order. As in net/http, a MaxAge of 0 is left out and a negative one is written as 0.
func CookieLine(c *http.Cookie) string {
	parts := []string{c.Name + "=" + js.EncodeURIComponent(c.Value)}
	for _, attribute := range []struct {
		present bool
		text    string
	}{
		{c.MaxAge != 0, "Max-Age=" + strconv.Itoa(max(c.MaxAge, 0))},
		{c.Domain != "", "Domain=" + c.Domain},
		{c.Path != "", "Path=" + c.Path},
		{!c.Expires.IsZero(), "Expires=" + c.Expires.UTC().Format(http.TimeFormat)},
		{c.HttpOnly, "HttpOnly"},
		{c.Secure, "Secure"},
		{sameSite[c.SameSite] != "", "SameSite=" + sameSite[c.SameSite]},
	} {
		if attribute.present {
			parts = append(parts, attribute.text)
		}
	}
	return strings.Join(parts, "; ")
}
