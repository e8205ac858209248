package httpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func newOnce(t *testing.T, o Options) *Once {
	t.Helper()
	transport, warning := NewOnce(o)
	if warning != nil {
		t.Fatal(warning)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func read(t *testing.T, answer *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A server answers the first request of each connection, and closes it after the second one has come. net/http would send a
// GET again.
func TestRequestThatWasSentIsNotSentAgain(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			var seen atomic.Int64
			listener := listen(t)
			address := scheme + "://" + listener.Addr().String()
			if scheme == "https" {
				certificate := httptest.NewUnstartedServer(nil)
				certificate.StartTLS()
				defer certificate.Close()
				listener = tls.NewListener(listener, &tls.Config{Certificates: certificate.TLS.Certificates})
			}
			serveRaw(t, listener, func(_ int, conn net.Conn) {
				in := bufio.NewReader(conn)
				for n := range 2 {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					seen.Add(1)
					if n == 0 {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					}
				}
			})
			transport := newOnce(t, Options{IdleTimeout: time.Hour, Insecure: true})
			for _, want := range []string{"ok", ""} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := transport.RoundTrip(r)
				switch {
				case want != "":
					if got := read(t, answer, err); got != want {
						t.Errorf("got %q", got)
					}
				case err == nil:
					t.Errorf("an answer to a request that was not answered: %s", read(t, answer, err))
				}
			}
			if seen.Load() != 2 {
				t.Errorf("the server got %d requests, want 2", seen.Load())
			}
		})
	}
}

// A connection that ended in the pool costs nothing: nothing was sent on it.
func TestRequestOfWhichNothingWasSentTakesAnotherConnection(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method) }))
	defer server.Close()
	transport := newOnce(t, Options{IdleTimeout: time.Hour})
	var last *atomic.Bool
	dials := 0
	transport.pool.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		last, dials = new(atomic.Bool), dials+1
		return &counted{Conn: brokenConn{conn, last}}, err
	}
	for i, method := range []string{http.MethodGet, http.MethodPost, http.MethodGet} {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			last.Store(true)
		}
		answer, err := transport.RoundTrip(r)
		if got := read(t, answer, err); got != method {
			t.Errorf("got %q", got)
		}
		if dials != i+1 {
			t.Errorf("%d connections, want %d", dials, i+1)
		}
	}
}

func TestWaitingForAConnectionHasALimit(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	transport := newOnce(t, Options{DialTimeout: 25 * time.Millisecond})
	transport.pool.MaxConnsPerHost = 1
	errs := make(chan error, 2)
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		go func() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			answer, err := transport.RoundTrip(r)
			if err == nil {
				_ = answer.Body.Close()
			}
			errs <- err
		}()
	}
	if err := <-errs; !errors.Is(err, errWait) {
		t.Errorf("error %v, want that there is no connection", err)
	}
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the request's end", err)
	}
}
