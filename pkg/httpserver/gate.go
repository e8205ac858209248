package httpserver

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of the gate.
const (
	crowd = 400                   // connections that are not idle, from which on new ones wait
	pause = 10 * time.Millisecond // that each of them waits at most
)

// gate is a listener that takes new connections more slowly while there is a crowd, so that a burst waits in the system's
// queue and not as descriptors and memory of this process. It never stops: slow clients that hold their connections
// delay others by a pause each.
type gate struct {
	net.Listener
	left chan struct{} // a connection has become idle or has gone

	mu   sync.Mutex
	busy map[net.Conn]struct{}
}

func newGate(listener net.Listener) *gate {
	return &gate{Listener: listener, left: make(chan struct{}, 1), busy: make(map[net.Conn]struct{})}
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	if g.crowded() {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		for waiting := true; waiting && g.crowded(); {
			select {
			case <-g.left:
			case <-timer.C:
				waiting = false
			}
		}
	}
	return g.Listener.Accept()
}

func (g *gate) crowded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.busy) >= crowd
}

// note is a ConnState of http.Server.
func (g *gate) note(conn net.Conn, state http.ConnState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		g.busy[conn] = struct{}{}
		return
	}
	delete(g.busy, conn)
	select {
	case g.left <- struct{}{}:
	default:
	}
}
