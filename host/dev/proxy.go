package dev

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"syscall"
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
	request       *http.Request
	header        http.Header        // of the answer
	cancel        context.CancelFunc // ends the exchange with the child
	upgraded      bool
}

type routeKey struct{}

func newProxy(parent *parent) *proxy {
	x := &proxy{parent: parent}
	x.transport = &http.Transport{
		MaxIdleConnsPerHost: -1, // no connection is used twice; with DisableKeepAlives the child would be asked to close it
		DisableCompression:  true, MaxResponseHeaderBytes: 1 << 20, WriteBufferSize: writeBuffer,
		ExpectContinueTimeout: time.Hour, // the child decides whether it wants the body
		DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}
	x.reverse = &httputil.ReverseProxy{
		Transport: whole{x.transport}, FlushInterval: -1, Rewrite: rewrite, ErrorLog: log.New(io.Discard, "", 0),
		ModifyResponse: func(answer *http.Response) error {
			to := answer.Request.Context().Value(routeKey{}).(*route)
			answer.Header = to.header
			if answer.StatusCode == http.StatusSwitchingProtocols {
				to.upgraded = true
				to.child.upgrades.Add(1)
			} else {
				answer.Body = newBody(answer, to)
			}
			return nil
		},
		ErrorHandler: x.fail,
	}
	return x
}

// whole keeps the header of an answer before ReverseProxy takes away what is for one connection only.
type whole struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t whole) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.Transport.RoundTrip(r)
	if err == nil {
		r.Context().Value(routeKey{}).(*route).header = answer.Header.Clone()
	}
	return answer, err
}

func (x *proxy) close() { x.transport.CloseIdleConnections() }

// serve answers a request that came to a port. From its first to its last byte, it belongs to one child.
func (x *proxy) serve(w http.ResponseWriter, r *http.Request, p *port) {
	c := x.parent.serving.Load()
	for c != nil && !c.hold() {
		c = x.parent.serving.Load()
	}
	if c == nil {
		x.parent.explain(w, r)
		return
	}
	defer c.release()
	socket := c.socket(p)
	if socket == "" {
		x.parent.explain(w, r)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	to := &route{request: r, cancel: cancel, child: c, socket: socket, tls: c.tls && p.name == httpserver.SocketName, remote: r.RemoteAddr, local: p.listener.Addr().String()}
	if local, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr); ok {
		to.local = local.String()
	}
	ctx = context.WithValue(ctx, routeKey{}, to)
	if r.Header.Get("Upgrade") == "" { // an upgraded connection ends with the child, which may say goodbye
		defer context.AfterFunc(c.end, cancel)()
	}
	_ = http.NewResponseController(w).EnableFullDuplex() // an answer may begin before the request has ended
	defer limitRest(w)
	defer func() {
		if to.upgraded {
			c.upgrades.Add(-1)
		}
	}()
	x.reverse.ServeHTTP(bare{w}, r.WithContext(ctx))
}

// The target and the host of each request to the transport. rawConn puts the client's in their place.
const (
	placeTarget = "/"
	placeHost   = "child"
)

// rewrite makes the request for the child that of the client: ReverseProxy leaves some things out.
func rewrite(r *httputil.ProxyRequest) {
	r.Out.URL, r.Out.Host = &url.URL{Scheme: "http", Host: placeHost, Path: placeTarget}, ""
	r.Out.Header = r.In.Header.Clone()
	r.Out.Trailer = r.In.Trailer // filled when the body has been read
}

// bare leaves out what net/http would add to an answer of the child.
type bare struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w bare) WriteHeader(status int) {
	for _, name := range []string{"Content-Type", "Date"} {
		if header := w.Header(); status >= http.StatusOK && header[name] == nil {
			header[name] = nil
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w bare) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writeBuffer is larger than the beginning of any request.
const writeBuffer = 32 << 10

// Limits on a connection to a child whose queue is full. Nothing has been sent yet.
const (
	dialFor   = time.Second
	dialPause = 5 * time.Millisecond
)

// dial connects to the child of a request.
func dial(ctx context.Context) (net.Conn, error) {
	to := ctx.Value(routeKey{}).(*route)
	conn, err := new(net.Dialer).DialContext(ctx, "unix", to.socket)
	for begun := time.Now(); queueFull(err) && time.Since(begun) < dialFor && to.child.end.Err() == nil; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-to.child.exited:
			return nil, err
		case <-time.After(dialPause):
			conn, err = new(net.Dialer).DialContext(ctx, "unix", to.socket)
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(link.Hello(to.remote, to.local)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if to.tls {
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is a socket that only this user can open
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = secure
	}
	return &rawConn{Conn: conn, request: to.request}, nil
}

// queueFull reports whether a unix socket takes no more connections at the moment: Linux and macOS say it differently.
func queueFull(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ECONNREFUSED)
}

// rawConn is a connection for one request, whose first two lines are those of the client: net/url would write some targets
// in another way.
type rawConn struct {
	net.Conn
	request *http.Request // until they are written
}

// Write implements io.Writer.
func (c *rawConn) Write(p []byte) (int, error) {
	r := c.request
	if r == nil {
		return c.Conn.Write(p)
	}
	rest, ok := bytes.CutPrefix(p, []byte(r.Method+" "+placeTarget+" HTTP/1.1\r\nHost: "+placeHost+"\r\n"))
	if !ok {
		return 0, errors.New("a request does not begin as it should")
	}
	c.request = nil
	head := r.Method + " " + r.RequestURI + " " + r.Proto + "\r\n"
	if r.Host != "" {
		head += "Host: " + r.Host + "\r\n"
	}
	if _, err := c.Conn.Write(append([]byte(head), rest...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// socket returns where a child accepts what comes to a port, "" if it does not.
func (c *child) socket(p *port) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets[p]
}
