// Package httpclient makes transports for calls to other servers, as they are in companies: behind balancers that
// drop connections without a word, behind proxies, and with certificates of a private authority.
//
//   - Connections that are not used are closed after a few seconds, before a balancer does it. HTTP/2 connections that
//     are used are asked for a sign of life.
//   - A request with a body is sent once more, on a new connection, only if the server surely did not process it.
//   - HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured, in upper or lower case, as net/http reads them.
//   - The certificates of the file in NODE_EXTRA_CA_CERTS are trusted beside those of the system.
//
// New makes a transport for calls of this program's own, NewOnce one for requests of others that are passed on.
package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http2"
)

// Options are the limits of a transport. Zero stands for the default.
type Options struct {
	IdleTimeout time.Duration // how long a connection is kept without use; five seconds
	PingAfter   time.Duration // of silence on an HTTP/2 connection in use; the answer may take as long; three seconds
	DialTimeout time.Duration // of the connection and of the TLS handshake; ten seconds

	// For NewOnce alone.
	AnswerTimeout time.Duration // from the end of a request to the header of its answer; a minute
	Insecure      bool          // certificates are not checked
}

// or returns d, or the default if d is not set.
func or(d, fallback time.Duration) time.Duration {
	if d <= 0 {
		return fallback
	}
	return d
}

// New returns a transport. warning says why the certificates of NODE_EXTRA_CA_CERTS are ignored, or is nil.
func New(o Options) (transport *Transport, warning error) {
	roots, warning := extraRoots()
	ping, dial, idle := or(o.PingAfter, 3*time.Second), or(o.DialTimeout, 10*time.Second), or(o.IdleTimeout, 5*time.Second)
	t := &Transport{}
	pool := func() *http.Transport {
		t1 := &http.Transport{
			Proxy: proxy, OnProxyConnectResponse: proxyAnswer,
			// A dial goes on when its request is over, so it needs a limit of its own.
			DialContext:     (&net.Dialer{Timeout: dial}).DialContext,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			// With the default of two idle connections per host, most calls of a busy backend would need a handshake.
			MaxIdleConns: 128, MaxIdleConnsPerHost: 64, IdleConnTimeout: idle,
			TLSHandshakeTimeout: dial, MaxResponseHeaderBytes: 64 << 10,
		}
		// net/http's own HTTP/2 has pings too, but does not tell how a stream was reset.
		t2, err := http2.ConfigureTransports(t1) //nolint:staticcheck // it is deprecated for net/http's own
		if err == nil {                          // it fails only for a transport that has HTTP/2 already
			t2.ReadIdleTimeout, t2.PingTimeout, t2.CountError = ping, ping, t.count //nolint:staticcheck // the same
		}
		return t1
	}
	t.pooled, t.fresh = pool(), pool()
	t.fresh.DisableKeepAlives = true
	return t, warning
}

// ProxyError says that the proxy refused to connect to the server.
type ProxyError struct{ Status int }

// Error implements error.
func (e *ProxyError) Error() string {
	return "the proxy refused to connect: " + http.StatusText(e.Status)
}

// proxyAnswer keeps the proxy's own words out of errors.
func proxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &ProxyError{answer.StatusCode}
	}
	return nil
}

// errProxyURL does not repeat the URL, which may hold a password.
var errProxyURL = errors.New("HTTPS_PROXY or HTTP_PROXY is not the URL of a proxy")

// proxy returns the proxy for a request according to the environment, which is read once.
func proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errProxyURL
	}
	return u, nil
}
