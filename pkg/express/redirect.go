package express

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// Redirect answers with status 302 to target as express' res.redirect does, with a body for those who do not
// follow it.
func Redirect(w http.ResponseWriter, r *http.Request, target string) {
	target = EncodeURL(target)
	body, contentType := "Found. Redirecting to "+target, "text/plain; charset=utf-8"
	// express prefers plain text, and sends HTML if only that was asked for.
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "text/html") && !strings.Contains(accept, "text/plain") {
		body, contentType = "<p>Found. Redirecting to "+html.EscapeString(target)+"</p>", "text/html; charset=utf-8"
	}
	header := w.Header()
	AddVary(header, "Accept")
	header.Set("Location", target)
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body))
	}
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
