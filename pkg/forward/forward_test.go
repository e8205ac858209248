package forward_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/forward"
	"github.com/understudy-host/understudy/pkg/httpserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener in memory. Its connections use the clock of a synctest bubble.
type pipes struct {
	connections chan net.Conn
	close       sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	if connection, ok := <-p.connections; ok {
		return connection, nil
	}
	return nil, net.ErrClosed
}

func (p *pipes) Close() error {
	p.close.Do(func() { close(p.connections) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.connections <- theirs
	return ours, nil
}

// inBubble passes requests on to backend through a server with its own limits, all with a fake clock. test gets a client.
func inBubble(t *testing.T, backend http.HandlerFunc, test func(t *testing.T, client *http.Client)) {
	for name, isWhole := range map[string]bool{"whole": true, "changed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				front, back := &pipes{connections: make(chan net.Conn)}, &pipes{connections: make(chan net.Conn)}
				upstream := &http.Server{Handler: backend} //nolint:gosec // it has no limits of its own
				var serving sync.WaitGroup
				serving.Go(func() { _ = upstream.Serve(back) })
				transport := &http.Transport{DialContext: back.dial, DisableCompression: true}
				server := httpserver.Serve(front, nil, zap.NewNop(), forward.New(t.Context(), forward.Options{
					Transport: transport, Log: zap.NewNop(), Whole: isWhole,
					Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL.Scheme, p.Out.URL.Host = "http", "backend" },
					Fail: func(w http.ResponseWriter, r *http.Request, err error) {
						w.WriteHeader(forward.Status(r, err))
					},
				}))
				client := &http.Client{Transport: &http.Transport{DialContext: front.dial, DisableCompression: true}}
				test(t, client)
				client.CloseIdleConnections()
				transport.CloseIdleConnections()
				if err := errors.Join(server.Shutdown(t.Context()), upstream.Shutdown(t.Context())); err != nil {
					t.Error(err)
				}
				serving.Wait()
			})
		})
	}
}

// In three minutes a client sends more than its server's limit of one minute allows, and never stops for a minute.
func TestUploadsMayTakeLongerThanTheServersLimit(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute) // nor does the wait for the answer have the server's limit
		_, _ = w.Write(body)
	}, func(t *testing.T, client *http.Client) {
		in, out := io.Pipe()
		go func() {
			for range 6 {
				_, _ = io.WriteString(out, "piece ")
				time.Sleep(30 * time.Second)
			}
			_ = out.Close()
		}()
		answer, err := client.Post("http://front/", "text/plain", in)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || string(body) != strings.Repeat("piece ", 6) {
			t.Errorf("%d %q, %v", answer.StatusCode, body, err)
		}
	})
}

func TestUploadThatStandsStillIsGivenUp(t *testing.T) {
	inBubble(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			t.Error("the backend got the whole body")
		}
	}, func(t *testing.T, client *http.Client) {
		in, out := io.Pipe()
		stalled := make(chan struct{})
		go func() {
			_, _ = io.WriteString(out, "piece ")
			<-stalled
			_ = out.Close()
		}()
		begun := time.Now()
		answer, err := client.Post("http://front/", "text/plain", in)
		close(stalled)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if took := time.Since(begun); answer.StatusCode != forward.StatusClosed || took > 61*time.Second {
			t.Errorf("%d after %s, want 499 after a minute", answer.StatusCode, took)
		}
	})
}

func TestStreamMayBeSilentForLong(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, event := range []string{"data: 1\n", "data: 2\n"} {
			_, _ = io.WriteString(w, event)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Minute)
		}
	}, func(t *testing.T, client *http.Client) {
		begun := time.Now()
		answer, err := client.Get("http://front/")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		lines := bufio.NewReader(answer.Body)
		for i, want := range []string{"data: 1\n", "data: 2\n"} {
			got, err := lines.ReadString('\n')
			if took := time.Since(begun); got != want || err != nil || took != time.Duration(i)*10*time.Minute {
				t.Errorf("%q after %s, %v; want %q", got, took, err, want)
			}
		}
		_, _ = io.Copy(io.Discard, lines)
	})
}

// A client that takes nothing holds a connection, and a part of the answer in memory.
func TestClientThatTakesNothingIsGivenUp(t *testing.T) {
	for name, pause := range map[string]time.Duration{"slow": 50 * time.Second, "stalled": 70 * time.Second} {
		t.Run(name, func(t *testing.T) {
			const size = 1 << 20
			inBubble(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(make([]byte, size))
			}, func(t *testing.T, client *http.Client) {
				answer, err := client.Get("http://front/")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = answer.Body.Close() }()
				got := int64(0)
				for err == nil {
					var n int64
					n, err = io.CopyN(io.Discard, answer.Body, 300<<10)
					got += n
					time.Sleep(pause)
				}
				if whole := got == size; whole != (name == "slow") {
					t.Errorf("%d of %d bytes, %v", got, size, err)
				}
			})
		})
	}
}

// The backend answers each piece before the next one is sent.
func TestAnswerMayBeginBeforeTheBodyEnds(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		controller := http.NewResponseController(w)
		_ = controller.EnableFullDuplex()
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, strings.ToUpper(line))
			_ = controller.Flush()
		}
	}, func(t *testing.T, client *http.Client) {
		in, out := io.Pipe()
		go func() { _, _ = io.WriteString(out, "one\n") }()
		answer, err := client.Post("http://front/", "text/plain", in)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		lines := bufio.NewReader(answer.Body)
		for _, want := range []string{"ONE\n", "TWO\n"} {
			if got, err := lines.ReadString('\n'); got != want || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			_, _ = io.WriteString(out, "two\n")
		}
		_ = out.Close()
		_, _ = io.Copy(io.Discard, lines)
	})
}

func TestUpgradedConnectionEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	upgraded, ended := make(chan struct{}), make(chan struct{})
	backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:gosec // a test
		connection, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = buffered.Flush()
		close(upgraded)
		_, _ = io.Copy(io.Discard, connection)
		_ = connection.Close()
		close(ended)
	})}
	back := &pipes{connections: make(chan net.Conn)}
	go func() { _ = backend.Serve(back) }()
	defer func() { _ = backend.Close() }()
	server := httpserver.Serve(listener, nil, zap.NewNop(), forward.New(ctx, forward.Options{
		Transport: &http.Transport{DialContext: back.dial}, Log: zap.NewNop(), Whole: true,
		Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL.Scheme, p.Out.URL.Host = "http", "backend" },
		Fail:    func(_ http.ResponseWriter, _ *http.Request, err error) { t.Error(err) },
	}))
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: front\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	<-upgraded
	cancel()
	if _, err := io.Copy(io.Discard, client); err != nil {
		t.Error(err)
	}
	<-ended
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}
