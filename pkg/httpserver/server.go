// Package httpserver is the host's HTTP server. It listens as backend.listen and backend.https say, and puts the
// layers of Backstage's rootHttpRouter around the routes: request log, security headers, CORS, compression and
// health checks.
package httpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/logging"
)

// Limits of each request. Node's own defaults are near these.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 60 * time.Second
	idleTimeout   = 75 * time.Second
	maxHeader     = 16<<10 - 4<<10 // Node's 16 kB: net/http adds 4 kB
)

// Server is an HTTP server for one host.
type Server struct {
	server   *http.Server
	address  net.Addr
	scheme   string
	done     chan error
	leaving  atomic.Bool   // answers tell their connections to close
	stopping chan struct{} // closed by Shutdown
}

// SocketName is the name of the host's socket, if another process holds it.
const SocketName = "backend"

// Listen gets the socket for the address of o from listen. Its error says what to do if the address is taken or not
// permitted.
func Listen(ctx context.Context, listen func(ctx context.Context, name, address string) (net.Listener, error), o Options) (net.Listener, error) {
	address := net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	listener, err := listen(ctx, SocketName, address)
	if err != nil {
		return nil, ListenError(address, "backend.listen", "set backend.listen.port, and the port in backend.baseUrl", err)
	}
	return listener, nil
}

// Serve answers requests on listener with handler, usually one that Wrap made, until Shutdown. A request's body
// has to arrive within 60 seconds, and its answer has to end within 60 seconds after its header. A handler that
// takes longer, such as one that streams events, sets deadlines of its own, or none:
//
//	controller := http.NewResponseController(w)
//	err := errors.Join(controller.SetWriteDeadline(time.Time{}), controller.SetReadDeadline(time.Time{}))
//
// Shutdown waits for such a handler too, so it should end with the context that its plugin was given.
func Serve(listener net.Listener, certificate *tls.Config, log *zap.Logger, handler http.Handler) *Server {
	s := &Server{address: listener.Addr(), scheme: "http", done: make(chan error, 1), stopping: make(chan struct{})}
	gate := newGate(listener)
	listener = gate
	if certificate != nil {
		s.scheme = "https"
		listener = tls.NewListener(gate, certificate)
	}
	s.server = &http.Server{
		Handler:           s.saysFarewell(handler),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		ErrorLog: logging.ServerErrors(log), ConnState: gate.note,
	}
	s.server.RegisterOnShutdown(sync.OnceFunc(func() { close(s.stopping) }))
	go func() { s.done <- s.server.Serve(listener) }()
	return s
}

// Wrap puts Backstage's layers around the routes. The response writer that the routes get is an http.Flusher and
// an http.Hijacker, and works with an http.ResponseController. What they flush reaches the client at once, compressed
// or not. Event streams are never compressed.
func Wrap(o Options, health *Health, log *zap.Logger, routes http.Handler) http.Handler {
	layered := Layers(o, health.serve(routes))
	if o.Beyond == nil {
		return accessLog(log, knownMethods(layered))
	}
	return accessLog(log, knownMethods(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if beyond := o.Beyond(r); beyond != nil && probe(r) == "" {
			beyond.ServeHTTP(w, r)
		} else {
			layered.ServeHTTP(w, r)
		}
	})))
}

// Layers puts security headers, CORS and compression around a handler.
func Layers(o Options, handler http.Handler) http.Handler {
	return securityHeaders(o.csp, o.referrer, cors(o.cors, compress(handler)))
}

// URL returns a URL at which the server answers on this machine. For a unix socket that systemd gave it has nginx's form:
// "http://unix:/run/understudy.sock:".
func (s *Server) URL() string {
	address, ok := s.address.(*net.TCPAddr)
	if !ok {
		return s.scheme + "://unix:" + s.address.String() + ":"
	}
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "localhost"
	}
	return s.scheme + "://" + net.JoinHostPort(host, strconv.Itoa(address.Port))
}

// Mismatch returns what is wrong if baseURL, a valid backend.baseUrl, leads to another port of this machine than that of
// the server, otherwise "". Any other host may be a proxy's.
func (s *Server) Mismatch(baseURL string) string {
	u, err := url.Parse(baseURL)
	address, ok := s.address.(*net.TCPAddr)
	if err != nil || !ok {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	listening := strconv.Itoa(address.Port)
	ip := net.ParseIP(u.Hostname())
	if port == listening || !strings.EqualFold(u.Hostname(), "localhost") && !ip.IsLoopback() && (ip == nil || !ip.Equal(address.IP)) {
		return ""
	}
	return fmt.Sprintf("backend.baseUrl has port %s, and this backend listens on port %s: browsers do not find it, unless something else "+
		"passes their requests on; set backend.baseUrl to port %s, or backend.listen to %s", port, listening, listening, port)
}

// Done returns a channel with the error that ended serving: http.ErrServerClosed after Shutdown.
func (s *Server) Done() <-chan error { return s.done }
