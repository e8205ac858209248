package httpclient

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// newTransport returns a transport that trusts every certificate.
func newTransport(t *testing.T, o Options) *Transport {
	transport, warning := New(o)
	if warning != nil {
		t.Fatal(warning)
	}
	for _, part := range []*http.Transport{transport.pooled, transport.fresh} {
		part.TLSClientConfig.InsecureSkipVerify = true
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// post returns the answer to a POST, or the error.
func post(ctx context.Context, transport http.RoundTripper, url string, header ...string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("refresh_token=r"))
	if err != nil {
		return "", err
	}
	for _, name := range header {
		request.Header.Set(name, "1")
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// watchedConn tells when it is closed.
type watchedConn struct {
	net.Conn
	closed chan struct{}
}

func (c watchedConn) Close() error {
	defer func() { c.closed <- struct{}{} }()
	return c.Conn.Close()
}

// serveRaw calls serve for each connection, with its number from 0.
func serveRaw(t *testing.T, listener net.Listener, serve func(n int, conn net.Conn)) {
	done := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-done })
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(n, conn)
			}()
		}
	}()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// answer reads a request and answers it, without a word about closing the connection.
func answer(conn net.Conn) (ok bool) {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, request.Body)
	_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	return err == nil
}

func TestConnectionThatABalancerClosedIsNotUsed(t *testing.T) {
	listener := listen(t)
	var seen atomic.Int64
	serveRaw(t, listener, func(_ int, conn net.Conn) {
		if answer(conn) {
			seen.Add(1)
		}
	})
	transport := newTransport(t, Options{})
	closed, dial := make(chan struct{}, 10), transport.pooled.DialContext
	transport.pooled.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return watchedConn{conn, closed}, err
	}
	for i := range 3 {
		if got, err := post(t.Context(), transport, "http://"+listener.Addr().String()); got != "ok" || err != nil {
			t.Errorf("call %d: %q, %v", i, got, err)
		}
		<-closed // the client has noticed
	}
	if seen.Load() != 3 {
		t.Errorf("the server saw %d calls, want 3", seen.Load())
	}
}

func TestIdleConnectionsAreLetGo(t *testing.T) {
	for name, o := range map[string]Options{"as configured": {IdleTimeout: time.Millisecond}, "by default": {}} {
		transport := newTransport(t, o)
		want := o.IdleTimeout
		if want == 0 {
			want = 5 * time.Second
		}
		if got := transport.pooled.IdleConnTimeout; got != want {
			t.Errorf("%s: after %s, want %s", name, got, want)
		}
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer server.Close()
	transport := newTransport(t, Options{IdleTimeout: time.Millisecond})
	closed, dial := make(chan struct{}, 10), transport.pooled.DialContext
	transport.pooled.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return watchedConn{conn, closed}, err
	}
	if _, err := post(t.Context(), transport, server.URL); err != nil {
		t.Fatal(err)
	}
	<-closed
}

func TestRequestThatMayHaveBeenProcessedIsNotRepeated(t *testing.T) {
	headers := map[string][]string{"plain": nil, "with a key": {"Idempotency-Key"}, "with an old key": {"X-Idempotency-Key"}}
	for name, header := range headers {
		t.Run(name, func(t *testing.T) {
			listener := listen(t)
			var seen atomic.Int64
			serveRaw(t, listener, func(_ int, conn net.Conn) {
				if !answer(conn) {
					return
				}
				seen.Add(1)
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, request.Body)
				seen.Add(1)
				_ = conn.(*net.TCPConn).SetLinger(0) // a reset, with the request read
			})
			transport := newTransport(t, Options{})
			url := "http://" + listener.Addr().String()
			if _, err := post(t.Context(), transport, url, header...); err != nil {
				t.Fatal(err)
			}
			if got, err := post(t.Context(), transport, url, header...); err == nil {
				t.Errorf("answer %q, want an error", got)
			}
			if seen.Load() != 2 {
				t.Errorf("the server saw %d calls, want 2", seen.Load())
			}
		})
	}
}

// brokenConn is one on which nothing can be written after its first request.
type brokenConn struct {
	net.Conn
	broken *atomic.Bool
}

func (c brokenConn) Write(b []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(b)
}

func TestRequestOfWhichNothingWasWrittenGoesOnceMore(t *testing.T) {
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Add(1)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	transport := newTransport(t, Options{})
	var broken atomic.Bool
	dial := transport.pooled.DialContext
	transport.pooled.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return brokenConn{conn, &broken}, err
	}
	for range 2 {
		if got, err := post(t.Context(), transport, server.URL); got != "refresh_token=r" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		broken.Store(true)
	}
	if seen.Load() != 2 {
		t.Errorf("the server saw %d calls, want 2", seen.Load())
	}
}
