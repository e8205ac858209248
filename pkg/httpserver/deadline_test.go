package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/httpserver"
)

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

// inBubble serves routes with the server's own limits and calls test with a client, all with a fake clock.
func inBubble(t *testing.T, routes http.HandlerFunc, test func(t *testing.T, client *http.Client, url string)) {
	synctest.Test(t, func(t *testing.T) {
		o, err := options(t, "")
		if err != nil {
			t.Fatal(err)
		}
		handler := httpserver.Wrap(o, new(httpserver.Health), zap.NewNop(), routes)
		listener := &pipes{connections: make(chan net.Conn)}
		server := httpserver.Serve(listener, nil, zap.NewNop(), handler)
		transport := &http.Transport{DialContext: listener.dial}
		test(t, &http.Client{Transport: transport}, server.URL())
		transport.CloseIdleConnections()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// longer is longer than the server's limits for an answer and for a request's body.
const longer = 3 * time.Minute

func TestAnswersMayTakeAsLongAsTheirHandlerSays(t *testing.T) {
	for name, unlimited := range map[string]bool{"limited": false, "unlimited": true} {
		for _, accept := range []string{"identity", "gzip"} {
			t.Run(name+" "+accept, func(t *testing.T) {
				inBubble(t, func(w http.ResponseWriter, r *http.Request) {
					controller := http.NewResponseController(w)
					if unlimited {
						if err := controller.SetWriteDeadline(time.Time{}); err != nil {
							t.Error(err)
						}
					}
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, "data: 1\n")
					_ = controller.Flush()
					time.Sleep(longer)
					if err := r.Context().Err(); err != nil {
						t.Errorf("the request's context ended: %v", err)
					}
					_, _ = io.WriteString(w, "data: 2\n")
				}, func(t *testing.T, client *http.Client, url string) {
					r, err := http.NewRequest("GET", url, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Accept-Encoding", accept)
					answer, err := client.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					lines := bufio.NewReader(answer.Body)
					if first, err := lines.ReadString('\n'); err != nil || first != "data: 1\n" {
						t.Errorf("first event %q, %v", first, err)
					}
					second, err := lines.ReadString('\n')
					if got := err == nil && second == "data: 2\n"; got != unlimited {
						t.Errorf("second event %q, %v; want it: %v", second, err, unlimited)
					}
					_ = answer.Body.Close()
				})
			})
		}
	}
}

func TestBodiesMayTakeAsLongAsTheirHandlerSays(t *testing.T) {
	for name, unlimited := range map[string]bool{"limited": false, "unlimited": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w http.ResponseWriter, r *http.Request) {
				controller := http.NewResponseController(w)
				if err := controller.EnableFullDuplex(); err != nil {
					t.Error(err)
				}
				if unlimited {
					if err := errors.Join(controller.SetReadDeadline(time.Time{}), controller.SetWriteDeadline(time.Time{})); err != nil {
						t.Error(err)
					}
				}
				got, err := io.ReadAll(r.Body)
				if all := err == nil && string(got) == "onetwo"; all != unlimited {
					t.Errorf("body %q, %v; want all of it: %v", got, err, unlimited)
				}
			}, func(_ *testing.T, client *http.Client, url string) {
				in, out := io.Pipe()
				var writing sync.WaitGroup
				writing.Go(func() {
					_, _ = io.WriteString(out, "one")
					time.Sleep(longer)
					_, _ = io.WriteString(out, "two")
					_ = out.Close()
				})
				if answer, err := client.Post(url, "text/plain", in); err == nil {
					_ = answer.Body.Close()
				}
				_ = in.Close()
				writing.Wait()
			})
		})
	}
}

func TestSlowHeadersEndTheConnection(t *testing.T) {
	inBubble(t, notFound, func(t *testing.T, client *http.Client, _ string) {
		connection, err := client.Transport.(*http.Transport).DialContext(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		begun := time.Now()
		if _, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: "); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(connection); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("the connection was open for %s, want 10s", took)
		}
	})
}
