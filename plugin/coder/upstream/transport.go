package upstream

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/httpclient"
)

// maxAnswer is the largest answer of Coder that is read.
const maxAnswer = 1 << 20

// acceptKey is the context key of the Accept header, which x/oauth2 cannot set.
type acceptKey struct{}

// Pool is what the clients of one configuration share: HTTP connections, and the endpoints of each deployment.
type Pool struct {
	ctx      context.Context
	http     *http.Client
	timeout  time.Duration
	maxCalls int
	log      *zap.Logger
	metadata map[string]*metadata // by deployment
}

// Options limit the calls to Coder.
type Options struct {
	Timeout     time.Duration // of each call
	IdleTimeout time.Duration // of connections that are not used
	MaxCalls    int           // at once, to each deployment
}

// NewPool returns a pool of clients. When ctx ends, idle connections are closed and no more metadata is fetched.
func NewPool(ctx context.Context, o Options, log *zap.Logger) *Pool {
	// Dead connections are noticed before the call's own time is over.
	transport, warning := httpclient.New(httpclient.Options{
		IdleTimeout: o.IdleTimeout, PingAfter: min(o.Timeout/4, 3*time.Second), DialTimeout: min(o.Timeout, 10*time.Second),
	})
	if warning != nil {
		log.Warn(warning.Error())
	}
	context.AfterFunc(ctx, transport.CloseIdleConnections)
	c := &http.Client{
		Transport: limited{transport},
		// A redirected request may carry the client secret, so redirects are not followed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Pool{ctx, c, o.Timeout, o.MaxCalls, log, make(map[string]*metadata)}
}

// Client returns a client for app, and has the deployment's metadata fetched in the background. Client is not
// safe for concurrent use.
func (p *Pool) Client(app Application) *Client {
	if p.metadata[app.Deployment] == nil {
		p.metadata[app.Deployment] = newMetadata(p, app.Deployment)
		p.metadata[app.Deployment].endpoints()
	}
	return &Client{app, p, p.metadata[app.Deployment]}
}

// call does a request that x/oauth2 has no function for, and returns the body of a 2xx answer. prepare sets the
// headers.
func (p *Pool) call(ctx context.Context, operation, method, address, body string, prepare func(*http.Request)) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, unreachable(ctx, operation, err)
	}
	prepare(request)
	response, err := p.http.Do(request)
	if err != nil {
		return nil, unreachable(ctx, operation, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, unreachable(ctx, operation, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, badStatus(operation, response.StatusCode, "")
	}
	return content, nil
}

// limited sets the headers that all calls have in common, and limits the size of answers after decompression.
type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper, which may not change the request.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if accept, ok := r.Context().Value(acceptKey{}).(string); ok {
		r.Header.Set("Accept", accept)
	}
	r.Header.Set("User-Agent", "understudy")
	response, err := l.next.RoundTrip(r)
	if err == nil {
		if seen, ok := r.Context().Value(seenKey{}).(func(*http.Response)); ok {
			seen(response)
		}
		response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer) // works for any reader
	}
	return response, err
}
