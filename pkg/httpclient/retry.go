package httpclient

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// Transport is an http.RoundTripper. net/http sends a request with a body again, up to seven times, if it can get
// the body again. Transport lets it ask for the body, and then sends the request once more on a new connection.
type Transport struct {
	pooled *http.Transport
	fresh  *http.Transport // a new connection for each request
	resets atomic.Int64    // of HTTP/2 streams that a server ended with PROTOCOL_ERROR
}

// errAgain ends the first attempt at a request that the server surely did not process.
var errAgain = errors.New("the connection ended before the request was processed")

// leftOut begins the error of a connection's first request if a GOAWAY with an error code leaves it out. x/net/http2 does
// not ask for its body again, and the error has no type.
const leftOut = "http2: Transport received GOAWAY from server ErrCode:"

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	getBody := r.GetBody
	if r.Body == nil || r.Body == http.NoBody || getBody == nil {
		return t.pooled.RoundTrip(r)
	}
	// With these headers, net/http sends a request again that may have been processed.
	if len(r.Header["Idempotency-Key"])+len(r.Header["X-Idempotency-Key"]) > 0 {
		once := r.Clone(r.Context())
		once.GetBody = nil
		return t.pooled.RoundTrip(once)
	}
	// net/http asks for the body again if nothing was written, if the stream was refused or a GOAWAY leaves it out,
	// and, since some servers mean it so, after a PROTOCOL_ERROR. That says nothing about what the server did.
	resets := t.resets.Load()
	first := r.Clone(r.Context())
	first.GetBody = func() (io.ReadCloser, error) { return nil, errAgain }
	response, err := t.pooled.RoundTrip(first)
	again := errors.Is(err, errAgain) && t.resets.Load() == resets
	if !again && (err == nil || !strings.HasPrefix(err.Error(), leftOut)) {
		return response, err
	}
	second := r.Clone(r.Context())
	if second.Body, err = getBody(); err != nil {
		return nil, err
	}
	second.GetBody = nil
	return t.fresh.RoundTrip(second)
}

// count counts errors of HTTP/2. If another request's stream is reset at the same time, a request is not sent again
// although it could be.
func (t *Transport) count(kind string) {
	if kind == "recv_rststream_PROTOCOL_ERROR" {
		t.resets.Add(1)
	}
}

// CloseIdleConnections closes the connections that are not in use.
func (t *Transport) CloseIdleConnections() { t.pooled.CloseIdleConnections() }
