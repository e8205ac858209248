package httpserver

import (
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// endless is a listener with a connection for everybody who asks.
type endless struct{ net.Listener }

func (endless) Accept() (net.Conn, error) { return nil, errors.New("none") }

// TestBurstWaitsOutside: from a number of busy connections on, each new one waits for one that ends or becomes idle, or for
// a moment. Idle ones do not count, and nobody waits for ever.
func TestBurstWaitsOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(endless{})
		waited := func() time.Duration {
			began := time.Now()
			_, _ = g.Accept()
			return time.Since(began)
		}
		conns := make([]net.Conn, crowd)
		for i := range conns {
			conns[i], _ = net.Pipe()
			if d := waited(); d != 0 {
				t.Fatalf("connection %d waited %s", i, d)
			}
			g.note(conns[i], http.StateNew)
			g.note(conns[i], http.StateActive)
		}
		for range 3 {
			if d := waited(); d != pause {
				t.Errorf("one more waited %s, want %s", d, pause)
			}
		}
		go func() {
			time.Sleep(pause / 2)
			g.note(conns[0], http.StateIdle)
		}()
		if d := waited(); d != pause/2 {
			t.Errorf("waited %s, want until one became idle", d)
		}
		g.note(conns[0], http.StateActive)
		for _, state := range []http.ConnState{http.StateIdle, http.StateHijacked, http.StateClosed} {
			g.note(conns[1], state)
			if d := waited(); d != 0 {
				t.Errorf("waited %s after %s", d, state)
			}
			g.note(conns[1], http.StateActive)
		}
	})
}
