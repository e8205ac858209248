package httpclient

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Server answers HTTP/2 requests with "ok", except the first ones, which it gives to first.
func h2Server(t *testing.T, fails int64, fail func(framer *http2.Framer, stream uint32)) (url string, seen, connections *atomic.Int64) {
	seen, connections = new(atomic.Int64), new(atomic.Int64)
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	config := &tls.Config{Certificates: certificate.TLS.Certificates, NextProtos: []string{"h2"}}
	listener := tls.NewListener(listen(t), config)
	serveRaw(t, listener, func(_ int, conn net.Conn) {
		connections.Add(1)
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(conn, preface); err != nil {
			return
		}
		framer := http2.NewFramer(conn, conn)
		_ = framer.WriteSettings()
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.PingFrame:
				if !frame.IsAck() {
					_ = framer.WritePing(true, frame.Data)
				}
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = framer.WriteSettingsAck()
				}
			case *http2.DataFrame:
				if !frame.StreamEnded() {
					continue
				}
				if seen.Add(1) <= fails {
					fail(framer, frame.StreamID)
					continue
				}
				var block strings.Builder
				_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
				_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.StreamID, BlockFragment: []byte(block.String()), EndHeaders: true})
				_ = framer.WriteData(frame.StreamID, true, []byte("ok"))
			}
		}
	})
	return "https://" + listener.Addr().String(), seen, connections
}

func TestHTTP2RequestThatWasNotProcessedGoesOnceMoreOnANewConnection(t *testing.T) {
	fails := map[string]func(*http2.Framer, uint32){
		"REFUSED_STREAM": func(f *http2.Framer, stream uint32) { _ = f.WriteRSTStream(stream, http2.ErrCodeRefusedStream) },
		"GOAWAY for load": func(f *http2.Framer, stream uint32) {
			_ = f.WriteGoAway(stream-1, http2.ErrCodeEnhanceYourCalm, nil)
		},
		"GOAWAY": func(f *http2.Framer, stream uint32) { _ = f.WriteGoAway(stream-1, http2.ErrCodeNo, nil) },
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			url, seen, connections := h2Server(t, 1, fail)
			if got, err := post(t.Context(), newTransport(t, Options{}), url); got != "ok" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if seen.Load() != 2 || connections.Load() != 2 {
				t.Errorf("%d calls on %d connections, want 2 on 2", seen.Load(), connections.Load())
			}
		})
		t.Run(name+" again", func(t *testing.T) {
			url, seen, _ := h2Server(t, 100, fail)
			if got, err := post(t.Context(), newTransport(t, Options{}), url); err == nil {
				t.Errorf("answer %q, want an error", got)
			}
			if seen.Load() != 2 {
				t.Errorf("the server saw %d calls, want 2", seen.Load())
			}
		})
	}
}

func TestHTTP2RequestThatMayHaveBeenProcessedIsNotRepeated(t *testing.T) {
	for _, code := range []http2.ErrCode{http2.ErrCodeProtocol, http2.ErrCodeInternal, http2.ErrCodeCancel, http2.ErrCodeNo, http2.ErrCodeEnhanceYourCalm} {
		t.Run(code.String(), func(t *testing.T) {
			url, seen, _ := h2Server(t, 1, func(f *http2.Framer, stream uint32) { _ = f.WriteRSTStream(stream, code) })
			if got, err := post(t.Context(), newTransport(t, Options{}), url); err == nil {
				t.Errorf("answer %q, want an error", got)
			}
			if seen.Load() != 1 {
				t.Errorf("the server saw %d calls, want 1", seen.Load())
			}
		})
	}
	for _, code := range []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeEnhanceYourCalm} {
		t.Run("GOAWAY above the stream, "+code.String(), func(t *testing.T) {
			url, seen, _ := h2Server(t, 1, func(f *http2.Framer, stream uint32) {
				_ = f.WriteGoAway(stream, code, nil)
				_ = f.WriteRSTStream(stream, http2.ErrCodeCancel)
			})
			if got, err := post(t.Context(), newTransport(t, Options{}), url); err == nil || seen.Load() != 1 {
				t.Errorf("%q, %v after %d calls, want an error after 1", got, err, seen.Load())
			}
		})
	}
}

// silentConn takes what is written and delivers nothing any more.
type silentConn struct {
	net.Conn
	silent *atomic.Bool
}

func (c silentConn) Write(b []byte) (int, error) {
	if c.silent.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func TestHTTP2ConnectionThatDiedSilentlyIsNoticedByPing(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	transport := newTransport(t, Options{PingAfter: 50 * time.Millisecond, IdleTimeout: time.Hour})
	dial := transport.pooled.DialContext
	var last *atomic.Bool
	dials := 0
	transport.pooled.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		last, dials = new(atomic.Bool), dials+1
		return silentConn{conn, last}, err
	}
	call := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, err := post(ctx, transport, server.URL)
		if ctx.Err() != nil {
			t.Fatal("the call's own timeout ended it")
		}
		if err == nil && got != "HTTP/2.0" {
			t.Errorf("got %q", got)
		}
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	last.Store(true)
	if err := call(); err == nil {
		t.Error("an answer from a dead connection")
	}
	if err := call(); err != nil || dials != 2 {
		t.Errorf("%v after %d dials, want a new connection", err, dials)
	}
}
