package dev

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"time"

	"github.com/understudy-host/understudy/host/dev/link"
	"github.com/understudy-host/understudy/pkg/httpserver"
)

// proxy passes requests on to the serving child, as if there were no parent. Each request has a connection of its own to the
// child: net/http sends a request again only if a connection that it used before has failed.
type proxy struct {
	parent    *parent
	transport *http.Transport
	reverse   *httputil.ReverseProxy
}

// route is where a request goes. It is in the request's context.
type route struct {
	child         *child
	socket        string
	tls           bool
	remote, local string // the addresses of the client's connection
}

type routeKey struct{}

func newProxy(parent *parent) *proxy {
	x := &proxy{parent: parent}
	x.transport = &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 1 << 20,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it is a socket that only this user can open
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			to := ctx.Value(routeKey{}).(route)
			conn, err := new(net.Dialer).DialContext(ctx, "unix", to.socket)
			if err != nil {
				return nil, err
			}
			if _, err := conn.Write(link.Hello(to.remote, to.local)); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return conn, nil
		},
	}
	x.reverse = &httputil.ReverseProxy{
		Transport: x.transport, FlushInterval: -1, Rewrite: rewrite, ErrorLog: log.New(io.Discard, "", 0),
		ModifyResponse: func(answer *http.Response) error {
			if answer.StatusCode != http.StatusSwitchingProtocols {
				answer.Body = &endable{answer.Body, answer.Request.Context().Value(routeKey{}).(route).child}
			}
			return nil
		},
		ErrorHandler: x.fail,
	}
	return x
}

func (x *proxy) close() { x.transport.CloseIdleConnections() }

// serve answers a request that came to a port. From its first to its last byte, it belongs to one child.
func (x *proxy) serve(w http.ResponseWriter, r *http.Request, p *port) {
	c := x.parent.serving.Load()
	for c != nil && !c.hold() {
		c = x.parent.serving.Load()
	}
	if c == nil {
		x.parent.explain(w, r, http.StatusServiceUnavailable)
		return
	}
	defer c.release()
	socket := c.socket(p)
	if socket == "" {
		x.parent.explain(w, r, http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	to := route{child: c, socket: socket, tls: c.tls && p.name == httpserver.SocketName, remote: r.RemoteAddr, local: p.listener.Addr().String()}
	if local, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr); ok {
		to.local = local.String()
	}
	ctx = context.WithValue(ctx, routeKey{}, to)
	if r.Header.Get("Upgrade") == "" { // an upgraded connection ends with the child, which may say goodbye
		defer context.AfterFunc(c.end, cancel)()
	}
	x.reverse.ServeHTTP(w, r.WithContext(ctx))
}

// rewrite makes the request for the child that of the client: ReverseProxy leaves some things out.
func rewrite(r *httputil.ProxyRequest) {
	to := r.In.Context().Value(routeKey{}).(route)
	r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "child", r.In.Host
	if to.tls {
		r.Out.URL.Scheme = "https"
	}
	r.Out.URL.RawQuery, r.Out.URL.ForceQuery = r.In.URL.RawQuery, r.In.URL.ForceQuery
	// A path with characters that should have been escaped would arrive escaped.
	if path, _, _ := strings.Cut(r.In.RequestURI, "?"); path != r.Out.URL.EscapedPath() && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") {
		r.Out.URL.Opaque = path
	}
	for name, values := range r.In.Header {
		if name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded-") {
			r.Out.Header[name] = slices.Clone(values)
		}
	}
	r.Out.Header.Del("Expect") // the parent has answered it
	r.Out.Trailer = maps.Clone(r.In.Trailer)
}

// endTime is how long after the end of its connections the end of a process is noticed.
const endTime = 100 * time.Millisecond

// fail answers a request that the child has not answered. What the child does to a connection is done to the client's.
func (x *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	c := r.Context().Value(routeKey{}).(route).child
	dial, ok := errors.AsType[*net.OpError](err)
	select {
	case <-c.exited:
	case <-time.After(endTime):
		if c.end.Err() == nil && (!ok || dial.Op != "dial") {
			panic(http.ErrAbortHandler)
		}
	}
	x.parent.explain(w, r, http.StatusBadGateway)
}

// endable is a body that ends, without an error, when the child's time is over.
type endable struct {
	io.ReadCloser
	child *child
}

// Read implements io.Reader.
func (b *endable) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && b.child.end.Err() != nil {
		err = io.EOF
	}
	return n, err
}

// socket returns where a child accepts what comes to a port, "" if it does not.
func (c *child) socket(p *port) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets[p]
}
