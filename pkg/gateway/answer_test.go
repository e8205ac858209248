package gateway_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is a backend that answers every request with the same bytes.
func scripted(t testing.TB, answer string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(connection, answer)
		_ = connection.Close()
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Status line, headers and body are compared with those that the backend sent. Only hop-by-hop headers differ.
func TestAnswersAreNotTouched(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for name, test := range map[string]struct{ method, answer, body string }{
		"compressible":          {"GET", "200 OK\r\nContent-Type: text/html\r\nContent-Length: 5000\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT", long},
		"packed":                {"GET", "200 OK\r\nContent-Type: text/html\r\nContent-Encoding: br\r\nVary: Accept-Encoding\r\nContent-Length: 4\r\nDate: x", "\x8b\x01\x80\x03"},
		"no Content-Type":       {"GET", "200 OK\r\nContent-Length: 13\r\nDate: x", "<html></html>"},
		"no Date":               {"GET", "200 OK\r\nContent-Type: a/b\r\nContent-Length: 2", "ab"},
		"own headers":           {"GET", "404 Not Found\r\nContent-Length: 0\r\nDate: x\r\nContent-Security-Policy: default-src 'none'\r\nX-Frame-Options: DENY\r\nStrict-Transport-Security: max-age=1\r\nServer: node", ""},
		"CORS of its own":       {"GET", "403 Forbidden\r\nContent-Length: 0\r\nDate: x\r\nAccess-Control-Allow-Origin: https://other.example\r\nVary: Origin", ""},
		"no CORS":               {"OPTIONS", "404 Not Found\r\nContent-Length: 0\r\nDate: x", ""},
		"cookies":               {"POST", "200 OK\r\nContent-Length: 0\r\nDate: x\r\nSet-Cookie: a=b; Path=/; HttpOnly\r\nSet-Cookie: c=d; SameSite=None; Secure", ""},
		"redirect":              {"GET", "302 Found\r\nLocation: http://127.0.0.1:7008/x?y=%ZZ\r\nContent-Length: 0\r\nDate: x", ""},
		"not modified":          {"GET", "304 Not Modified\r\nEtag: W/\"5\"\r\nDate: x", ""},
		"no content":            {"DELETE", "204 No Content\r\nDate: x", ""},
		"HEAD":                  {"HEAD", "200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12345\r\nDate: x", ""},
		"HEAD without a length": {"HEAD", "200 OK\r\nContent-Type: text/plain\r\nDate: x", ""},
		"a part":                {"GET", "206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Type: a/b\r\nContent-Length: 2\r\nDate: x", "ab"},
		"an error":              {"GET", "500 Internal Server Error\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 12\r\nDate: x", `{"error":{}}`},
		"unusual status":        {"GET", "299 Unusual\r\nContent-Length: 0\r\nDate: x", ""},
		"odd headers":           {"GET", "200 OK\r\nContent-Length: 0\r\nDate: x\r\nX-Latin: \xe4\r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Empty:\r\nNo-Gzip-Compression: 1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, scripted(t, "HTTP/1.1 "+test.answer+"\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n"+test.body), "")
			_, in := dial(t, f.URL, test.method+" / HTTP/1.1\r\nHost: h\r\nOrigin: https://app.example\r\nAccept-Encoding: gzip, br\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			all, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			head, body, _ := strings.Cut(string(all), "\r\n\r\n")
			status, lines, _ := strings.Cut(head, "\r\n")
			wantStatus, wantLines, _ := strings.Cut(test.answer, "\r\n")
			if number, _, _ := strings.Cut(wantStatus, " "); !strings.HasPrefix(status, "HTTP/1.1 "+number+" ") {
				t.Errorf("status %q, want %q", status, wantStatus)
			}
			got, want := header(lines), header(wantLines)
			got.Del("Connection") // this server's own
			if want.Get("Date") == "" {
				got.Del("Date")
			}
			if diff := cmp.Diff(want, got); diff != "" || body != test.body {
				t.Errorf("body %q; headers (-want +got):\n%s", body, diff)
			}
		})
	}
}

func header(lines string) http.Header {
	parsed, _ := textproto.NewReader(bufio.NewReader(strings.NewReader(lines + "\r\n\r\n"))).ReadMIMEHeader()
	return http.Header(parsed)
}

func TestTrailersPassBothWays(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = w.Write(body)
		w.Header().Set("X-Sum", "sum of "+r.Trailer.Get("X-Given"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	}))
	defer backend.Close()
	f := newFront(t, backend.URL, "")
	answer, body := raw(t, f.URL, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTrailer: X-Given\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Given: trailer\r\n\r\n")
	want := http.Header{"X-Sum": {"sum of trailer"}, "X-Late": {"late"}}
	if diff := cmp.Diff(want, answer.Trailer); diff != "" || body != "abc" {
		t.Errorf("body %q, trailers (-want +got):\n%s", body, diff)
	}
}

func TestInformationalAnswersPass(t *testing.T) {
	for _, upload := range []bool{false, true} {
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.Copy(w, r.Body)
		}))
		f := newFront(t, backend.URL, "")
		hints, continues := "", 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				if code == http.StatusEarlyHints {
					hints = header.Get("Link")
				}
				return nil
			},
			Got100Continue: func() { continues++ },
		})
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, f.URL, http.NoBody)
		if upload {
			r, _ = http.NewRequestWithContext(ctx, http.MethodPost, f.URL, strings.NewReader("body"))
			r.Header.Set("Expect", "100-continue")
		}
		f.Client().Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
		answer, err := f.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if body := read(t, answer); hints != "</a.css>; rel=preload" || (continues > 0) != upload || (body == "body") != upload || answer.Header.Get("Link") == "" {
			t.Errorf("upload %v: hints %q, %d times 100, body %q", upload, hints, continues, body)
		}
		backend.Close()
	}
}

func TestEventsArriveAtOnceAndTheirEndReachesTheBackend(t *testing.T) {
	for _, kind := range []string{"text/event-stream", "application/x-ndjson", "application/json"} {
		seen, ended := make(chan struct{}), make(chan struct{})
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			if kind == "application/json" { // of a known length
				w.Header().Set("Content-Length", "1000")
			}
			for range 3 {
				_, _ = io.WriteString(w, "data: 1\n")
				_ = http.NewResponseController(w).Flush()
				<-seen
			}
			<-r.Context().Done()
			close(ended)
		}))
		f := newFront(t, backend.URL, "")
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+"/events", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		answer, err := f.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(answer.Body)
		for range 3 {
			if line, err := lines.ReadString('\n'); line != "data: 1\n" || err != nil {
				t.Errorf("%s: %q, %v", kind, line, err)
			}
			seen <- struct{}{}
		}
		cancel()
		<-ended
		_ = answer.Body.Close()
		backend.Close()
	}
}

// The handshake is checked, and frames go both ways as they are, however long nobody says anything.
func TestWebSocketEcho(t *testing.T) {
	const accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
	handshakes := make(chan *http.Request, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handshakes <- r
		connection, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = connection.Close() }()
		_, _ = io.WriteString(connection, accept)
		_, _ = io.Copy(connection, buffered)
	}))
	defer backend.Close()
	f := newFront(t, backend.URL, "")
	connection, in := dial(t, f.URL, "GET /api/signals?x HTTP/1.1\r\nHost: h.example\r\nOrigin: https://app.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := <-handshakes
	if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-WebSocket-Key") != "dGhlIHNhbXBsZSBub25jZQ==" || r.Host != "h.example" || r.RequestURI != "/api/signals?x" {
		t.Errorf("the backend got %s %s %v", r.Host, r.RequestURI, r.Header)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		answer.Header.Get("Sec-WebSocket-Protocol") != "chat" || answer.Header.Get("X-Frame-Options") != "" {
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

func TestRefusedUpgradeIsAnAnswer(t *testing.T) {
	f := newFront(t, scripted(t, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"), "")
	answer, body := raw(t, f.URL, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	if answer.StatusCode != http.StatusUnauthorized || body != "no" {
		t.Errorf("%s %q", answer.Status, body)
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	const many = 500
	var arrived sync.WaitGroup
	arrived.Add(many)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait() // all of them are here at the same time
		_, _ = io.WriteString(w, r.URL.RawQuery)
		_, _ = io.Copy(w, r.Body)
	}))
	defer backend.Close()
	f := newFront(t, backend.URL, "")
	var workers sync.WaitGroup
	for i := range many {
		workers.Go(func() {
			text := strings.Repeat("x", i)
			answer, err := f.Client().Post(f.URL+"/?"+text, "text/plain", strings.NewReader(text))
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

// Answers of this host's own have its layers, and those of its routes too.
func TestOwnRoutesKeepTheirLayers(t *testing.T) {
	f := newFront(t, scripted(t, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnode"), "")
	for path, want := range map[string]string{
		"/own": "own", "/.backstage/health/v1/liveness": `{"status":"ok"}`, "/.Backstage/health/v1/liveness/": `{"status":"ok"}`,
		"/.backstage/health/v1/other": "node", "/.backstage/health": "node", "/other": "node", "/own/": "node",
	} {
		answer, body := get(t, f, path, "Origin", "https://app.example")
		own := answer.Header.Get("X-Frame-Options") != "" && answer.Header.Get("Access-Control-Allow-Origin") != ""
		if body != want || own != (want != "node") {
			t.Errorf("%s: %q %v", path, body, answer.Header)
		}
	}
	f.Close() // waits for the last line
	if n := f.logs.FilterField(zapIncoming).Len(); n != 7 {
		t.Errorf("%d lines in the request log, want 7", n)
	}
}
