// Package express holds what express and its usual middleware do with requests and answers: the parts that a
// plugin that stands in for a Node one has to share with it. Each type and function names the npm package
// whose behaviour it has.
package express

import (
	"fmt"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// CutPrefixFold is strings.CutPrefix without regard to letter case, as express matches paths. When s does not
// start with prefix, it returns s and false.
func CutPrefixFold(s, prefix string) (rest string, ok bool) {
	// For a prefix in ASCII, strings of equal length fold byte by byte: "ſ", two bytes, never equals "s".
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// AddVary adds name to the Vary header as npm's vary does: all names are in one line, each once in any letter case,
// and "*" stands for all of them.
func AddVary(header http.Header, name string) {
	old := strings.Join(header.Values("Vary"), ", ")
	names := strings.Split(strings.ReplaceAll(strings.ToLower(old), " ", ""), ",")
	if !slices.Contains(names, "*") && !slices.Contains(names, strings.ToLower(name)) {
		header.Set("Vary", strings.TrimPrefix(old+", "+name, ", "))
	}
}

// The Content-Types of express' answers.
const (
	HTML  = "text/html; charset=utf-8"
	JSON  = "application/json; charset=utf-8"
	Plain = "text/plain; charset=utf-8"
)

// Send answers as express' res.send does: with the length of the body, which a HEAD request does not get.
func Send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// Redirect answers with status 302 to target as express' res.redirect does, with a body for those who do not
// follow it.
func Redirect(w http.ResponseWriter, r *http.Request, target string) {
	target = EncodeURL(target)
	body, contentType := "Found. Redirecting to "+target, Plain
	// express prefers plain text, and sends HTML if only that was asked for.
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "text/html") && !strings.Contains(accept, "text/plain") {
		body, contentType = "<p>Found. Redirecting to "+html.EscapeString(target)+"</p>", HTML
	}
	AddVary(w.Header(), "Accept")
	w.Header().Set("Location", target)
	Send(w, r, http.StatusFound, contentType, []byte(body))
}

// EncodeURL percent-encodes what must not be in a Location header, as npm's encodeurl does. Existing escapes
// are kept.
func EncodeURL(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`{}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
