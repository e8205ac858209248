package proxy_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/understudy-host/understudy/plugin/plugintest"
	"github.com/understudy-host/understudy/plugin/proxy"
)

// Each piece of the request is answered before the next one is sent.
func TestBodiesAreStreamedBothWays(t *testing.T) {
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		control, in := http.NewResponseController(w), bufio.NewScanner(r.Body)
		_ = control.EnableFullDuplex()
		for in.Scan() {
			_, _ = fmt.Fprintln(w, "got "+in.Text())
			_ = control.Flush()
		}
	})
	h := plugintest.Open(t, endpoint(address, ""), proxy.Plugin())
	body, out := io.Pipe()
	r, _ := http.NewRequest(http.MethodPost, h.URL()+"/api/proxy/coder/x", body)
	r.Header.Set("Content-Type", "application/octet-stream")
	go func() { _, _ = io.WriteString(out, "piece 0\n") }()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(answer.Body)
	for i := range 5 {
		if line, err := in.ReadString('\n'); line != fmt.Sprintf("got piece %d\n", i) || err != nil {
			t.Errorf("%q, %v", line, err)
		}
		_, _ = fmt.Fprintf(out, "piece %d\n", i+1)
	}
	_ = out.Close()
	_, _ = io.Copy(io.Discard, in)
	_ = answer.Body.Close()
}

func TestEventsArriveAtOnceAndTheirEndReachesTheTarget(t *testing.T) {
	seen, ended := make(chan struct{}), make(chan struct{})
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			<-seen
		}
		<-r.Context().Done()
		close(ended)
	})
	h := plugintest.Open(t, endpoint(address, ""), proxy.Plugin())
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, h.URL()+"/api/proxy/coder/x", nil)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(answer.Body)
	for range 3 {
		first, err1 := in.ReadString('\n')
		second, err2 := in.ReadString('\n')
		if first+second != "data: 1\n\n" || err1 != nil || err2 != nil {
			t.Errorf("%q, %v", first+second, errors.Join(err1, err2))
		}
		seen <- struct{}{}
	}
	cancel()
	<-ended
	_ = answer.Body.Close()
}

const upgrade = " HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nCookie: a=b\r\nAuthorization: Bearer client\r\n"

func TestWebSocketEcho(t *testing.T) {
	const accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: chat\r\nSet-Cookie: a=b\r\n\r\n"
	handshakes := make(chan *http.Request, 1)
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		handshakes <- r
		connection, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = connection.Close() }()
		_, _ = io.WriteString(connection, accept)
		_, _ = io.Copy(connection, buffered)
	})
	h := plugintest.Open(t, endpoint(address, ", headers: {X-Added: yes}"), proxy.Plugin())
	connection, in := dial(t, h.URL(), "GET /api/proxy/coder/watch?x"+upgrade+"Origin: http://localhost:3000\r\n\r\n")
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := <-handshakes
	header := r.Header
	if r.RequestURI != "/watch?x" || header.Get("Upgrade") != "websocket" || header.Get("Sec-WebSocket-Key") != "dGhlIHNhbXBsZSBub25jZQ==" ||
		header.Get("X-Added") != "yes" || header.Get("Cookie")+header.Get("Authorization")+header.Get("Origin") != "" {
		t.Errorf("the target got %s %v", r.RequestURI, header)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		answer.Header.Get("Sec-WebSocket-Protocol") != "chat" || answer.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s %v", answer.Status, answer.Header)
	}
	for _, size := range []int{2, 126, 1 << 20} {
		frame := make([]byte, size)
		_, _ = rand.Read(frame)
		go func() { _, _ = connection.Write(frame) }()
		got := make([]byte, size)
		if _, err := io.ReadFull(in, got); err != nil || string(got) != string(frame) {
			t.Errorf("the echo of %d bytes differs, %v", size, err)
		}
	}
}

func TestWebSocketsOfForeignPagesAreRefused(t *testing.T) {
	var got int
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		got++
		if r.Header.Get("Upgrade") != "" && !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			t.Error("another upgrade was passed on")
		}
		w.WriteHeader(http.StatusTeapot)
	})
	config := endpoint(address, "")
	for _, test := range []struct {
		backend, origin string
		status          int
	}{
		{"", "Origin: http://localhost:3000\r\n", http.StatusTeapot},
		{"", "", http.StatusTeapot},
		{"", "Origin: https://evil.example\r\n", http.StatusForbidden},
		{"", "Origin: null\r\n", http.StatusForbidden},
		{"", "Origin: http://localhost:3000\r\nOrigin: https://evil.example\r\n", http.StatusForbidden},
		{"backend: {cors: {origin: 'https://*.example'}}\n", "Origin: https://good.example\r\n", http.StatusTeapot},
		{"backend: {cors: {origin: 'https://*.example'}}\n", "Origin: https://evil.test\r\n", http.StatusForbidden},
	} {
		h := plugintest.Open(t, config+test.backend, proxy.Plugin())
		got = 0
		answer, body := raw(t, h.URL(), "GET /api/proxy/coder/watch"+upgrade+test.origin+"\r\n")
		if answer.StatusCode != test.status || (got == 1) != (test.status == http.StatusTeapot) {
			t.Errorf("%q with %q: %s %s", test.origin, test.backend, answer.Status, body)
		}
	}
	h := plugintest.Open(t, config, proxy.Plugin())
	answer, _ := raw(t, h.URL(), "GET /api/proxy/coder/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")
	if answer.StatusCode != http.StatusTeapot {
		t.Error(answer.Status)
	}
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A gigabyte goes through the host in each direction, and the memory of client, host and target together hardly grows.
func TestGigabyteIsStreamedBothWays(t *testing.T) {
	const most = 20 << 20
	size := int64(1 << 30)
	if testing.Short() {
		size = 100 << 20
	}
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.CopyN(w, zeros{}, size)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
	})
	h := plugintest.Open(t, endpoint(address, ""), proxy.Plugin())
	_, _ = raw(t, h.URL(), "POST /api/proxy/coder/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer, err := http.Post(h.URL()+"/api/proxy/coder/up", "application/octet-stream", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, answer); body != strconv.FormatInt(size, 10) {
		t.Errorf("the target got %s bytes", body)
	}
	if answer, err = http.Get(h.URL() + "/api/proxy/coder/down"); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil || n != size {
		t.Errorf("the client got %d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	grown := int64(after.Sys) - int64(before.Sys) // what the system has ever given
	t.Logf("the memory grew by %d bytes", grown)
	if grown > most {
		t.Errorf("the memory grew by %d bytes", grown)
	}
}

func TestSlowClientAndSlowTargetHoldUpNobodyElse(t *testing.T) {
	wait := make(chan struct{})
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-wait
		case "/endless":
			_, _ = io.CopyN(w, zeros{}, 1<<30)
		}
	})
	h := plugintest.Open(t, endpoint(address, ""), proxy.Plugin())
	const many = 30
	var slow sync.WaitGroup
	for range many {
		connection, _ := dial(t, h.URL(), "GET /api/proxy/coder/endless HTTP/1.1\r\nHost: h\r\n\r\n") // reads nothing
		defer func() { _ = connection.Close() }()
		slow.Go(func() {
			answer, err := http.Get(h.URL() + "/api/proxy/coder/slow")
			if err != nil {
				t.Error(err)
				return
			}
			_ = read(t, answer)
		})
	}
	for range 50 {
		if answer, _ := raw(t, h.URL(), "GET /api/proxy/coder/quick"); answer.StatusCode != http.StatusOK {
			t.Error(answer.Status)
		}
	}
	close(wait)
	slow.Wait()
}

func TestManyRequestsAtOnce(t *testing.T) {
	const many = 500
	var arrived sync.WaitGroup
	arrived.Add(many)
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait() // all of them are here at the same time
		_, _ = io.WriteString(w, r.URL.RawQuery)
		_, _ = io.Copy(w, r.Body)
	})
	f := serve(t, endpoint(address, ""), jane)
	var workers sync.WaitGroup
	for i := range many {
		workers.Go(func() {
			text := strings.Repeat("x", i)
			answer, err := f.Client().Post(f.URL+"/api/proxy/coder/?"+text, "text/plain", strings.NewReader(text))
			if err != nil {
				t.Error(err)
				return
			}
			if body := read(t, answer); body != text+text {
				t.Errorf("request %d got %d bytes", i, len(body))
			}
		})
	}
	workers.Wait()
	f.Client().CloseIdleConnections()
}

// A request that runs keeps its endpoint; requests after the reload get the new one.
func TestReloadWhileRequestsRun(t *testing.T) {
	wait, arrived := make(chan struct{}), make(chan struct{}, 1)
	named := func(name string) string {
		return target(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				arrived <- struct{}{}
				<-wait
			}
			_, _ = io.WriteString(w, name)
		})
	}
	first, second := named("first"), named("second")
	h := plugintest.Open(t, endpoint(first, ""), proxy.Plugin())
	var running sync.WaitGroup
	running.Go(func() {
		if answer, body := raw(t, h.URL(), "GET /api/proxy/coder/slow"); answer.StatusCode != http.StatusOK || body != "first" {
			t.Errorf("the request that ran got %s %q", answer.Status, body)
		}
	})
	<-arrived
	stop, load := make(chan struct{}), sync.WaitGroup{}
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if answer, body := raw(t, h.URL(), "GET /api/proxy/coder/x"); answer.StatusCode != http.StatusOK || body != "first" && body != "second" {
					t.Errorf("%s %q", answer.Status, body)
				}
			}
		})
	}
	h.Write(endpoint(second, ""))
	h.Log.Wait(t, "the changed config is in use")
	if _, body := raw(t, h.URL(), "GET /api/proxy/coder/x"); body != "second" {
		t.Errorf("after the reload %q answers", body)
	}
	h.Write(endpoint("not a URL", ""))
	h.Log.Wait(t, "Proxy target is not a valid URL")
	if _, body := raw(t, h.URL(), "GET /api/proxy/coder/x"); body != "second" {
		t.Errorf("after a reload with mistakes %q answers", body)
	}
	close(stop)
	load.Wait()
	close(wait)
	running.Wait()
}

func TestAnswerThatBreaksOffBreaksOff(t *testing.T) {
	for _, head := range []string{"Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"} {
		address := target(t, func(w http.ResponseWriter, _ *http.Request) {
			scripted(t, w, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"+head+"\r\n5\r\nbegun\r\n")
		})
		h := plugintest.Open(t, endpoint(address, ""), proxy.Plugin())
		answer, err := http.Get(h.URL() + "/api/proxy/coder/x")
		if err != nil { // nothing of it was sent yet
			continue
		}
		if body, err := io.ReadAll(answer.Body); err == nil {
			t.Errorf("%s: %q came as a whole answer", head, body)
		}
		_ = answer.Body.Close()
	}
}

func TestTargetThatIsDownIsA504UntilItIsBack(t *testing.T) {
	down := true
	address := target(t, func(w http.ResponseWriter, _ *http.Request) {
		if down {
			scripted(t, w, "")
		}
	})
	f := serve(t, endpoint(address, ""), jane)
	for _, want := range []int{http.StatusGatewayTimeout, http.StatusOK} {
		down = want != http.StatusOK
		if answer, _ := raw(t, f.URL, "POST /api/proxy/coder/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"); answer.StatusCode != want {
			t.Errorf("%s, want %d", answer.Status, want)
		}
	}
	gone := serve(t, endpoint("http://127.0.0.1:1", ""), jane)
	if answer, _ := raw(t, gone.URL, "GET /api/proxy/coder/x"); answer.StatusCode != http.StatusGatewayTimeout {
		t.Error(answer.Status)
	}
	if gone.logs.FilterMessageSnippet("error occurred while proxying a request").Len() != 1 {
		t.Error("it is not in the log")
	}
}

// A trailer is a header that no list has.
func TestTrailersAndInformationalAnswersDoNotPass(t *testing.T) {
	address := target(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	f := serve(t, endpoint(address, ""), jane)
	answer, body := raw(t, f.URL, "GET /api/proxy/coder/x")
	if answer.StatusCode != http.StatusOK || body != "body" || len(answer.Trailer) > 0 || answer.Header.Get("Trailer") != "" || answer.Header.Get("Link") != "" {
		t.Errorf("%s %q %v %v", answer.Status, body, answer.Header, answer.Trailer)
	}
}
