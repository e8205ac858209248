package proxy

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// safeHeaders are those that Backstage passes on both ways.
var safeHeaders = []string{
	"Cache-Control", "Content-Language", "Content-Length", "Content-Type", "Expires", "Last-Modified", "Pragma", "Accept",
	"Accept-Language", "User-Agent",
}

// connectionHeaders belong to one connection. They are never passed on, and are not configured: ReverseProxy makes those that a
// WebSocket needs.
var connectionHeaders = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// webSocketHeaders are those of the handshake.
var webSocketHeaders = newHeaderSet([]string{
	"Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Key", "Sec-Websocket-Protocol", "Sec-Websocket-Version",
})

// headerSet is a set of names of headers in their canonical form.
type headerSet map[string]bool

func newHeaderSet(lists ...[]string) headerSet {
	set := make(headerSet)
	for _, name := range slices.Concat(lists...) {
		set[http.CanonicalHeaderKey(name)] = true
	}
	for _, name := range connectionHeaders {
		delete(set, name)
	}
	return set
}

// copyTo copies the headers of the set.
func (s headerSet) copyTo(to, from http.Header) {
	for name, values := range from {
		if s[name] {
			to[name] = values
		}
	}
}

// validHeader reports whether a configured header can be sent.
func validHeader(name, value string) bool {
	return httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value) && strings.TrimSpace(name) == name
}
