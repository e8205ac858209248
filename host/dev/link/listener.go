package link

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// A connection from the parent begins with a line that has the client's address and the local one, as in the PROXY
// protocol.
const (
	maxHello     = 256
	helloTimeout = 10 * time.Second
)

// Hello returns the line with which the parent begins a connection.
func Hello(remote, local string) []byte { return []byte(remote + " " + local + "\n") }

// Listen listens on a TCP address, as net.Listen does. The parent has the port, and sends its requests to a unix socket of
// this process, each on a connection of its own. The connections have the addresses of the client's.
func (p *Parent) Listen(ctx context.Context, name, address string) (net.Listener, error) {
	number := p.sockets.Add(1)
	inner, err := new(net.ListenConfig).Listen(ctx, "unix", SocketPath(p.dir, p.id, number))
	if err != nil {
		return nil, err
	}
	l := &listener{Listener: inner, parent: p, asked: Listen{name, address, number}}
	var got Listening
	if err = p.callContext(ctx, ListenPath, l.asked, &got); err == nil {
		l.address, err = parseAddress(got.Address)
	}
	if err != nil {
		_ = inner.Close()
		return nil, err
	}
	return l, nil
}

type listener struct {
	net.Listener
	parent  *Parent
	asked   Listen
	address *net.TCPAddr
	once    sync.Once
}

// Addr returns the TCP address that the parent listens on.
func (l *listener) Addr() net.Addr { return l.address }

// Accept returns at once: the hello is read with the first use of the connection.
func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: inner, reader: bufio.NewReaderSize(inner, maxHello)}, nil
}

// Close also tells the parent, which gives the port back unless another process of the backend uses it.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() { _ = l.parent.call(ClosePath, l.asked, nil) })
	return err
}

type conn struct {
	net.Conn
	reader        *bufio.Reader
	once          sync.Once
	remote, local *net.TCPAddr
	err           error
}

// greet reads the hello.
func (c *conn) greet() {
	c.once.Do(func() {
		c.remote, c.local = new(net.TCPAddr), new(net.TCPAddr)
		_ = c.SetReadDeadline(time.Now().Add(helloTimeout))
		defer func() { _ = c.SetReadDeadline(time.Time{}) }()
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			c.err = err
			return
		}
		remote, local, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		r, err1 := parseAddress(remote)
		l, err2 := parseAddress(local)
		if err1 != nil || err2 != nil {
			c.err = fmt.Errorf("a connection does not begin with two addresses: %w", io.ErrUnexpectedEOF)
			return
		}
		c.remote, c.local = r, l
	})
}

func (c *conn) Read(p []byte) (int, error) {
	if c.greet(); c.err != nil {
		return 0, c.err
	}
	return c.reader.Read(p)
}

func (c *conn) RemoteAddr() net.Addr {
	c.greet()
	return c.remote
}

func (c *conn) LocalAddr() net.Addr {
	c.greet()
	return c.local
}

// CloseWrite lets net/http end an answer before it has read the whole request.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

func parseAddress(text string) (*net.TCPAddr, error) {
	address, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil, err
	}
	return net.TCPAddrFromAddrPort(address), nil
}
