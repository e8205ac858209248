package dev

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/understudy-host/understudy/host/dev/link"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/httpserver"
)

// ports are the TCP ports of the backend. A port that a child asks for is opened once and stays open while a child uses it.
type ports struct {
	parent *parent
	proxy  *proxy
	live   httpserver.Live            // the certificate of the host's port
	tls    atomic.Pointer[tls.Config] // of the host's port; nil for plain HTTP

	mu     sync.Mutex
	opened map[portKey]*port
	closed bool
}

type portKey struct{ name, address string }

// port is one of them.
type port struct {
	portKey
	listener net.Listener
	server   *http.Server
}

func newPorts(p *parent) *ports {
	s := &ports{parent: p, opened: make(map[portKey]*port)}
	s.proxy = newProxy(p)
	return s
}

// open returns the port for an address.
func (s *ports) open(name, address string) (*port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.openLocked(name, address)
}

func (s *ports) openLocked(name, address string) (*port, error) {
	key := portKey{name, address}
	if known := s.opened[key]; known != nil {
		return known, nil
	}
	if s.closed {
		return nil, net.ErrClosed
	}
	inner, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	p := &port{portKey: key, listener: inner}
	listener := &clients{inner, new(atomic.Pointer[tls.Config])}
	if name == httpserver.SocketName {
		listener.config = &s.tls
	}
	// The body and the answer have the time that the child gives them.
	p.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.proxy.serve(w, r, p) }),
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true, ErrorLog: log.New(io.Discard, "", 0), ConnContext: withClient,
	}
	s.opened[key] = p
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

// listen opens a port for a child.
func (s *ports) listen(c *child, in link.Listen) (link.Listening, error) {
	s.mu.Lock() // leave is to see both the port and that it is used
	defer s.mu.Unlock()
	p, err := s.openLocked(in.Name, in.Address)
	if err != nil {
		return link.Listening{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets[p] = link.SocketPath(s.parent.dir, c.id, in.Socket)
	return link.Listening{Address: p.listener.Addr().String()}, nil
}

// leave is called when a child closes a port, which is then closed unless another child has asked for it. That of the host
// stays open: while nothing serves, people get a page there.
func (s *ports) leave(c *child, in link.Listen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.opened[portKey{in.Name, in.Address}]
	if p == nil {
		return
	}
	c.mu.Lock()
	delete(c.sockets, p)
	c.mu.Unlock()
	if in.Name != httpserver.SocketName && !s.parent.control.uses(p) {
		s.drop(p)
	}
}

// closeUnused closes the ports that the serving child has not asked for.
func (s *ports) closeUnused(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.opened {
		if c.socket(p) == "" {
			s.drop(p)
		}
	}
}

// drop closes a port when its requests are answered. The caller holds mu.
func (s *ports) drop(p *port) {
	delete(s.opened, p.portKey)
	_ = p.listener.Close()
	s.parent.children.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.parent.Grace)
		defer cancel()
		_ = p.server.Shutdown(ctx)
		_ = p.server.Close()
	})
}

// close closes all ports at once, with their connections.
func (s *ports) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for key, p := range s.opened {
		_ = p.server.Close()
		delete(s.opened, key)
	}
	s.proxy.close()
}

// summary names the ports, for people.
func (s *ports) summary() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, p := range s.opened {
		list = append(list, p.name+" "+p.listener.Addr().String())
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// useTLS has the host's port speak TLS, or not, as the options say. A self-signed certificate stays the same.
func (s *ports) useTLS(o httpserver.Options) {
	if o.TLS == nil {
		s.tls.Store(nil)
		return
	}
	s.live.Use(o, http.NotFoundHandler())
	s.tls.Store(s.live.TLS())
}

func (s *ports) speaksTLS() bool { return s.tls.Load() != nil }

// followConfig notices a renewed certificate. Whether the port speaks TLS changes with the next child.
func (s *ports) followConfig(ctx context.Context, o appconfig.Options) {
	current, err := appconfig.Load(ctx, o)
	if err != nil {
		current = appconfig.New()
	}
	_ = appconfig.Watch(ctx, o, current, func(config *appconfig.Config, err error) {
		if err != nil {
			return // the child tells
		}
		select {
		case s.parent.configured <- struct{}{}:
		default:
		}
		if options, err := httpserver.ReadOptions(config); err == nil && options.TLS != nil && s.speaksTLS() {
			s.live.Use(options, http.NotFoundHandler())
		}
	})
}
