package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/understudy-host/understudy/pkg/js"
)

// hopsHeader counts how often a request was passed on, and maxHops is how often it may be.
const (
	hopsHeader = "Backstage-Gateway-Hops"
	maxHops    = 3
)

// hops reads the header as parseInt does. What is no number is 0.
func hops(header http.Header) float64 {
	if len(header[hopsHeader]) == 0 {
		return 0
	}
	text := js.Trim(strings.Join(header[hopsHeader], ", "))
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 {
		return 0
	}
	if end := strings.IndexFunc(digits, func(c rune) bool { return c < '0' || c > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, _ := js.ParseDigits(digits, 10)
	if text != "" && text[0] == '-' {
		return -n
	}
	return n
}

// rewrite makes the request for the backend of one that came in. Hop-by-hop headers and those of proxies are gone already.
func (g *Gateway) rewrite(p *httputil.ProxyRequest) {
	p.Out.URL = address(g.settings.Target, p.In)
	p.Out.Trailer = p.In.Trailer // its values come with the end of the body
	header := p.Out.Header
	header[hopsHeader] = []string{js.FormatNumber(max(hops(p.In.Header), 0) + 1)}
	g.forwarded(p.In, header)
	if strings.Contains(strings.ToLower(header.Get("Upgrade")), "h2c") { // a way past this host's own routes
		header.Del("Upgrade")
		header.Del("Connection")
	}
}

// address returns the URL of the target with the path and the query as the client wrote them, byte by byte.
func address(target *url.URL, r *http.Request) *url.URL {
	raw := r.RequestURI
	if raw != "*" && !strings.HasPrefix(raw, "/") { // the absolute form: the host in it is r.Host
		_, rest, _ := strings.Cut(raw, "://")
		raw = "/"
		if at := strings.IndexAny(rest, "/?"); at >= 0 {
			raw += strings.TrimPrefix(rest[at:], "/")
		}
	}
	u := &url.URL{Scheme: target.Scheme, Host: target.Host}
	if strings.HasPrefix(raw, "//") { // as an opaque part it would begin with a host
		path, query, has := strings.Cut(raw, "?")
		u.Path, u.RawPath, u.RawQuery, u.ForceQuery = r.URL.Path, legal(path), query, has
	} else {
		u.Opaque = raw
	}
	return u
}

// legal escapes what must not be in a path. Escapes stay as they are.
func legal(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("/%-._~!$&'()*+,;=:@[]", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// forwarded says where the request came from. What a trusted proxy has said is kept and continued.
func (g *Gateway) forwarded(in *http.Request, header http.Header) {
	peer, _, err := net.SplitHostPort(in.RemoteAddr)
	if err != nil { // a unix socket
		peer = ""
	}
	scheme := "http"
	if in.TLS != nil {
		scheme = "https"
	}
	var from []string
	header["X-Forwarded-Proto"] = []string{scheme}
	if in.Host != "" {
		header["X-Forwarded-Host"] = []string{in.Host}
	}
	if g.settings.trusts(peer, 0) {
		from = append(from, in.Header["X-Forwarded-For"]...)
		for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"} {
			if values := in.Header[name]; values != nil {
				header[name] = values
			}
		}
	}
	if peer != "" {
		from = append(from, peer)
	}
	if from != nil {
		header["X-Forwarded-For"] = []string{strings.Join(from, ", ")}
	}
}
