package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/plugin"
)

// SocketName is the name of the listener's socket, if another process holds it.
const SocketName = "identity"

// closing is the time for what is under way when a listener closes. Its answers need none.
const closing = time.Second

// Listeners are the internal listeners of all generations of a plugin. Generations with the same address share one, and the
// newest of them decides. A listener closes when the last generation that uses it ends. The zero value is ready to use.
type Listeners struct {
	mu   sync.Mutex
	open map[string]*listener // by address
}

type listener struct {
	net.Listener
	server *httpserver.Server
	relays []*Relay // the newest one comes last
	newest atomic.Pointer[Relay]
}

// Accept implements net.Listener. Connections have TLS as the newest relay says.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if config := l.newest.Load().options.TLS; err == nil && config != nil {
		return tls.Server(conn, config), nil
	}
	return conn, err
}

// ServeHTTP implements http.Handler.
func (l *listener) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	newest := l.newest.Load()
	if newest.options.TLS != nil && request.TLS == nil { // the connection is older than that
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusMisdirectedRequest)
		return
	}
	newest.ServeHTTP(w, request)
}

// use has a relay served until its generation ends.
func (l *Listeners) use(ctx context.Context, env plugin.Environment, r *Relay) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	shared, open := l.open[r.options.Address]
	if !open {
		socket, err := env.Listen(ctx, SocketName, r.options.Address)
		if err != nil {
			return httpserver.ListenError(r.options.Address, listenKey, "set "+listenKey+", and deploymentUrl of the Node backend's Coder provider", err)
		}
		shared = &listener{Listener: socket}
	}
	// Who holds the socket may have chosen another address.
	if at, tcp := shared.Addr().(*net.TCPAddr); r.options.TLS == nil && tcp && !at.IP.IsLoopback() {
		err := fmt.Errorf("the socket %s is at %s: %w", SocketName, at, errNotLoopback)
		if !open {
			err = errors.Join(err, shared.Close())
		}
		return err
	}
	shared.relays = append(shared.relays, r)
	shared.newest.Store(r)
	if !open {
		if l.open == nil {
			l.open = make(map[string]*listener)
		}
		l.open[r.options.Address] = shared
		shared.server = httpserver.Serve(shared, nil, env.Logger, httpserver.Contain(env.Logger, shared))
		env.Logger.Info("internal listener for the Node backend's Coder provider", zap.Stringer("address", shared.Addr()), zap.Bool("tls", r.options.TLS != nil))
	}
	env.Lifecycle.OnShutdown(func(ctx context.Context) error { return l.release(ctx, r) })
	return nil
}

// release ends the use of a listener.
func (l *Listeners) release(ctx context.Context, r *Relay) error {
	l.mu.Lock() // until the socket is closed, so that the next generation can have the address
	defer l.mu.Unlock()
	shared := l.open[r.options.Address]
	shared.relays = slices.DeleteFunc(shared.relays, func(other *Relay) bool { return other == r })
	if n := len(shared.relays); n > 0 {
		shared.newest.Store(shared.relays[n-1])
		return nil
	}
	delete(l.open, r.options.Address)
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	err := shared.server.Shutdown(ctx)
	r.log.Info("internal listener closed", zap.Stringer("address", shared.Addr()))
	if errors.Is(err, context.DeadlineExceeded) { // cut off
		return nil
	}
	return err
}
