package coder

import (
	"net"
	"net/http"
	"time"
)

// maxAnswer is the most that is read of an answer of Coder's.
const maxAnswer = 1 << 20

// acceptKey is the context key of the Accept header that x/oauth2 leaves out.
type acceptKey struct{}

// newHTTPClient makes the one HTTP client that all calls to Coder share. It follows no redirect: the request
// that is redirected may carry the client secret.
func newHTTPClient() (c *http.Client, closeIdle func()) {
	// One pool for all environments. Two idle connections a host, the default, would make most calls of a busy
	// backend pay for a handshake.
	pool := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           128,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{
		Transport:     capped{pool},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, pool.CloseIdleConnections
}

// capped adds the headers that every call has and limits the size of what comes back, before and after
// decompression.
type capped struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper; as its contract demands, the request is left as it was.
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if accept, ok := r.Context().Value(acceptKey{}).(string); ok {
		r.Header.Set("Accept", accept)
	}
	r.Header.Set("User-Agent", "understudy")
	response, err := c.next.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer) // made for requests, but no different
	}
	return response, err
}
