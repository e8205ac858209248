package dev

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// As those of package httpserver: the parent is to refuse what the child would.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 60 * time.Second
	idleTimeout   = 75 * time.Second
	maxHeader     = 16<<10 - 4<<10
)

// client is a connection of a client. One that does not read has bodyTimeout for each write: the child cannot see that its
// answer arrives no more, and the parent does not know how long the answer may take.
type client struct{ net.Conn }

// Write implements io.Writer.
func (c *client) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// CloseWrite lets net/http end an answer before it has read the whole request.
func (c *client) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// reset makes the end of the connection an error for the client.
func (c *client) reset() {
	if conn, ok := c.Conn.(*net.TCPConn); ok {
		_ = conn.SetLinger(0)
	}
}

// limitRest gives a client a while for the rest of its request, which nobody reads any more.
func limitRest(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
}

// clientKey is that of the *client in the context of a request.
type clientKey struct{}

// withClient is for http.Server.ConnContext.
func withClient(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	return context.WithValue(ctx, clientKey{}, conn)
}

// clients accepts connections, which speak TLS while there is a configuration for it.
type clients struct {
	net.Listener
	config *atomic.Pointer[tls.Config]
}

// Accept implements net.Listener.
func (l *clients) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &client{inner}
	if config := l.config.Load(); config != nil {
		return tls.Server(conn, config), nil
	}
	return conn, nil
}
