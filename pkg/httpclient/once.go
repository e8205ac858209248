package httpclient

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// maxConns is how many connections to one server are open at once. Requests beyond them wait for their turn.
const maxConns = 512

// Once is an http.RoundTripper for requests of others that are passed on. A request is sent once: net/http repeats one
// without a body even after the server has got it, if a connection from the pool ends. Only HTTP/1.1 is spoken, directly to
// the server: as in Node's http-proxy, HTTPS_PROXY and HTTP_PROXY have no effect.
type Once struct {
	pool *http.Transport
	wait time.Duration // until there is a connection
}

// NewOnce returns a transport. warning says why the certificates of NODE_EXTRA_CA_CERTS are ignored, or is nil.
func NewOnce(o Options) (transport *Once, warning error) {
	roots, warning := extraRoots()
	dial := or(o.DialTimeout, 10*time.Second)
	dialer := &net.Dialer{Timeout: dial}
	return &Once{wait: 2 * dial, pool: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &counted{Conn: conn}, nil
		},
		TLSClientConfig: &tls.Config{
			RootCAs: roots, MinVersion: tls.VersionTLS12,
			InsecureSkipVerify: o.Insecure, //nolint:gosec // the operator's own choice
		},
		TLSHandshakeTimeout: dial, ResponseHeaderTimeout: or(o.AnswerTimeout, time.Minute),
		MaxConnsPerHost: maxConns, MaxIdleConns: 128, MaxIdleConnsPerHost: 64, IdleConnTimeout: or(o.IdleTimeout, 5*time.Second),
		MaxResponseHeaderBytes: 64 << 10, ExpectContinueTimeout: time.Second,
		DisableCompression: true, // an answer is passed on as it is
	}}, warning
}

// counted is a connection that counts the bytes that were sent, until it is closed to more.
type counted struct {
	net.Conn
	sent   atomic.Int64
	closed atomic.Bool
}

func (c *counted) Write(b []byte) (int, error) {
	if c.closed.Load() {
		return 0, errSent
	}
	n, err := c.Conn.Write(b)
	c.sent.Add(int64(n))
	return n, err
}

// unanswered is why a request is given up. It is a net.Error, as those of net/http.
type unanswered string

const (
	errWait unanswered = "no connection to the server was free in time"
	errSent unanswered = "the server closed the connection without an answer"
)

func (e unanswered) Error() string { return string(e) }
func (e unanswered) Timeout() bool { return e == errWait }
func (unanswered) Temporary() bool { return false }

// RoundTrip implements http.RoundTripper.
func (t *Once) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context()) // ends with the request's own context
	timer := time.AfterFunc(t.wait, func() { cancel(errWait) })
	defer timer.Stop()
	var last *counted
	var before int64
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		timer.Stop()
		conn := info.Conn
		if secured, ok := conn.(*tls.Conn); ok {
			conn = secured.NetConn()
		}
		now := conn.(*counted)
		if last != nil && last.sent.Load() > before { // net/http is about to send the request again
			now.closed.Store(true)
			cancel(errSent)
		}
		last, before = now, now.sent.Load()
	}}
	answer, err := t.pool.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	return answer, nil
}

// CloseIdleConnections closes the connections that are not in use.
func (t *Once) CloseIdleConnections() { t.pool.CloseIdleConnections() }
