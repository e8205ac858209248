package httpserver_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/pkg/httpserver"
)

// served serves routes under the server's layers, by HTTP/1.1, or by HTTP/2 over TLS. After each request it sends
// the status that the request log has.
func served(t *testing.T, http2 bool, routes http.HandlerFunc) (*httptest.Server, <-chan int64) {
	t.Helper()
	o, err := options(t, "")
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	handler := httpserver.Wrap(o, new(httpserver.Health), zap.New(core), routes)
	statuses := make(chan int64, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		for _, entry := range logs.TakeAll() {
			statuses <- entry.ContextMap()["status"].(int64)
		}
	}))
	if server.EnableHTTP2 = http2; http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	server.Client().Transport.(*http.Transport).DisableCompression = true
	return server, statuses
}

// get sends a request that fails instead of hanging if an answer is held back.
func get(t *testing.T, server *httptest.Server, method, accept string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

var flushes = map[string]func(http.ResponseWriter){
	"by type":               func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
	"by ResponseController": func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
}

// Each step of the handler waits until the client has received what the previous step flushed.
func TestStreamsArriveAtEachFlush(t *testing.T) {
	for name, c := range map[string]struct {
		contentType, accept string
		headerFirst         bool // the header is flushed before there is a body
		encoding, vary      string
	}{
		"event stream":                      {"text/event-stream", "", true, "", ""},
		"event stream, gzip accepted":       {"text/event-stream; charset=utf-8", "gzip", true, "", ""},
		"first event, gzip accepted":        {"text/event-stream", "gzip", false, "", ""},
		"first event, zstd accepted":        {"text/event-stream", "gzip, zstd", false, "", ""},
		"plain text":                        {"text/plain", "", false, "", "Accept-Encoding"},
		"plain text, gzip accepted":         {"text/plain", "gzip", false, "gzip", "Accept-Encoding"},
		"JSON, gzip accepted":               {"application/json", "gzip", false, "gzip", "Accept-Encoding"},
		"JSON's header, gzip accepted":      {"application/json", "gzip", true, "", "Accept-Encoding"},
		"bytes, gzip accepted":              {"application/octet-stream", "gzip", false, "", ""},
		"bytes' header, gzip accepted":      {"application/octet-stream", "gzip", true, "", ""},
		"of no type, gzip accepted":         {"", "gzip", false, "", ""},
		"of no type, header, gzip accepted": {"", "gzip", true, "", ""},
	} {
		for way, flush := range flushes {
			for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
				t.Run(name+" "+way+" "+protocol, func(t *testing.T) {
					seen := make(chan struct{})
					server, _ := served(t, http2, func(w http.ResponseWriter, r *http.Request) {
						wait := func() {
							flush(w)
							select {
							case <-seen:
							case <-r.Context().Done():
							}
						}
						if c.contentType != "" {
							w.Header().Set("Content-Type", c.contentType)
						}
						if c.headerFirst {
							wait()
						}
						_, _ = io.WriteString(w, "data: 1\n\n")
						wait()
						_, _ = io.WriteString(w, "data: 2\n\n")
					})
					answer := get(t, server, "GET", c.accept)
					if c.headerFirst {
						seen <- struct{}{}
					}
					got := []string{answer.Proto, answer.Header.Get("Content-Encoding"), answer.Header.Get("Vary"), answer.Header.Get("No-Gzip-Compression")}
					if diff := cmp.Diff([]string{protocol, c.encoding, c.vary, ""}, got); diff != "" {
						t.Errorf("protocol, Content-Encoding, Vary, header for the compressor (-want +got):\n%s", diff)
					}
					stream := io.Reader(answer.Body)
					if c.encoding == "gzip" {
						var err error
						if stream, err = gzip.NewReader(answer.Body); err != nil {
							t.Fatal(err)
						}
					}
					first := make([]byte, len("data: 1\n\n"))
					if _, err := io.ReadFull(stream, first); err != nil {
						t.Fatal(err)
					}
					seen <- struct{}{}
					rest, err := io.ReadAll(stream)
					if got := string(first) + string(rest); err != nil || got != "data: 1\n\ndata: 2\n\n" {
						t.Errorf("body %q, %v", got, err)
					}
				})
			}
		}
	}
}

func TestFlushOfAnswersWithoutABody(t *testing.T) {
	for _, accept := range []string{"", "gzip"} {
		for _, c := range []struct {
			method string
			status int
		}{{"HEAD", 200}, {"GET", 204}, {"GET", 304}} {
			server, statuses := served(t, false, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(c.status)
				w.(http.Flusher).Flush()
				w.(http.Flusher).Flush()
			})
			answer := get(t, server, c.method, accept)
			if got := body(t, answer); answer.StatusCode != c.status || got != "" || answer.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s, %q accepted: %d %q %v, want %d", c.method, accept, answer.StatusCode, got, answer.Header, c.status)
			}
			if logged := <-statuses; logged != int64(c.status) {
				t.Errorf("%s, %q accepted: logged with status %d, want %d", c.method, accept, logged, c.status)
			}
		}
	}
}

func TestInformationalStatusesDoNotBeginAnAnswer(t *testing.T) {
	for _, accept := range []string{"", "gzip"} {
		server, statuses := served(t, false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			if httpserver.Record(w).Begun() {
				t.Error("an answer has begun with its early hints")
			}
			w.WriteHeader(http.StatusTeapot)
			if !httpserver.Record(w).Begun() {
				t.Error("an answer has not begun with its header")
			}
		})
		answer := get(t, server, "GET", accept)
		if logged := <-statuses; answer.StatusCode != http.StatusTeapot || logged != http.StatusTeapot {
			t.Errorf("status %d, logged %d, want %d", answer.StatusCode, logged, http.StatusTeapot)
		}
	}
}

var hijacks = map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
	"by type": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		return w.(http.Hijacker).Hijack()
	},
	"by ResponseController": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		return http.NewResponseController(w).Hijack()
	},
}

func TestUpgradedConnectionsAreTheHandlers(t *testing.T) {
	for way, hijack := range hijacks {
		for _, accept := range []string{"identity", "gzip"} {
			t.Run(way+" "+accept, func(t *testing.T) {
				server, statuses := served(t, false, func(w http.ResponseWriter, _ *http.Request) {
					connection, buffered, err := hijack(w)
					if err != nil {
						t.Error(err)
						return
					}
					defer func() { _ = connection.Close() }()
					if !httpserver.Record(w).Begun() {
						t.Error("an answer has not begun with the upgrade")
					}
					_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
					_ = buffered.Flush()
					line, _ := buffered.ReadString('\n')
					_, _ = buffered.WriteString(line)
					_ = buffered.Flush()
				})
				connection, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = connection.Close() }()
				_, _ = io.WriteString(connection, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\nAccept-Encoding: "+accept+"\r\n\r\n")
				reader := bufio.NewReader(connection)
				answer, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(connection, "hello\n")
				echo, err := io.ReadAll(reader)
				if err != nil || answer.StatusCode != http.StatusSwitchingProtocols || string(echo) != "hello\n" {
					t.Errorf("status %d, echo %q, %v", answer.StatusCode, echo, err)
				}
				if logged := <-statuses; logged != http.StatusSwitchingProtocols {
					t.Errorf("logged with status %d, want 101", logged)
				}
			})
		}
	}
}

// HTTP/2 cannot give its connection away: Hijack returns an error, and the handler gives another answer.
func TestRefusedUpgradeIsNoAnswer(t *testing.T) {
	server, statuses := served(t, true, func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("an HTTP/2 connection was handed over")
		}
		http.Error(w, "no upgrade", http.StatusUpgradeRequired)
	})
	answer := get(t, server, "GET", "gzip")
	if got := body(t, answer); answer.StatusCode != http.StatusUpgradeRequired || !strings.Contains(got, "no upgrade") {
		t.Errorf("%d %q", answer.StatusCode, got)
	}
	if logged := <-statuses; logged != http.StatusUpgradeRequired {
		t.Errorf("logged with status %d, want 426", logged)
	}
}
