package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// pause is how long a second attempt waits if no connection was made.
const pause = 100 * time.Millisecond

// transport sends a request a second time if surely nothing of it was sent.
type transport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil { // net/http takes another connection if it has sent nothing
		answer, err := t.next.RoundTrip(r)
		if notDialled(err) && t.wait(r) {
			return t.next.RoundTrip(r)
		}
		return answer, err
	}
	first := &attempt{ReadCloser: r.Body}
	once := *r
	once.Body = first
	answer, err := t.next.RoundTrip(&once)
	// net/http sends the whole header before it reads the body.
	if err == nil || !first.state.CompareAndSwap(fresh, spent) || notDialled(err) && !t.wait(r) || r.Context().Err() != nil {
		return answer, err
	}
	return t.next.RoundTrip(r)
}

// wait waits for a backend that is about to listen. It reports whether the client does, too.
func (t *transport) wait(r *http.Request) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// notDialled reports whether err is that of a connection that was not made.
func notDialled(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// States of an attempt.
const (
	fresh = iota // the body was not read
	begun
	spent // there is a second attempt, and the body belongs to it
)

// attempt is the body of a first attempt. Its Close leaves the body open.
type attempt struct {
	io.ReadCloser
	state atomic.Int32
}

func (a *attempt) Read(p []byte) (int, error) {
	if !a.state.CompareAndSwap(fresh, begun) && a.state.Load() != begun {
		return 0, io.ErrClosedPipe
	}
	return a.ReadCloser.Read(p)
}

func (a *attempt) Close() error { return nil }
