package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
)

// A person and a script learn what happened, the operator why. The log does not have a line for each request.
func TestBackendThatIsDownIsA502UntilItIsBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	f := newFront(t, "http://"+address, "")
	const want = `{"error":{"name":"BadGatewayError","message":"The backend that serves this path cannot be reached, please try again later"},` +
		`"request":{"method":"GET","url":"/api/catalog?code=***"},"response":{"statusCode":502}}`
	for range 3 {
		answer, body := get(t, f, "/api/catalog?code=secret", "Origin", "https://app.example")
		if answer.StatusCode != http.StatusBadGateway || body != want || answer.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
		if answer.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || answer.Header.Get("X-Content-Type-Options") == "" {
			t.Errorf("the page cannot read it: %v", answer.Header)
		}
		if answer, body := get(t, f, "/own"); answer.StatusCode != http.StatusOK || body != "own" {
			t.Errorf("a route of this host: %d %s", answer.StatusCode, body)
		}
	}
	if lines := f.logs.FilterLevelExact(zap.ErrorLevel).All(); len(lines) != 1 || !strings.Contains(lines[0].Message, "understudy.fallback.target") ||
		!strings.Contains(lines[0].ContextMap()["error"].(string), "refused") || lines[0].ContextMap()["fallback"] != "http://"+address {
		t.Errorf("the log says %v", lines)
	}
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Skipf("the port is taken by now: %v", err)
	}
	backend := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:gosec // a test
		_, _ = io.WriteString(w, "back")
	})}}
	backend.Start()
	defer backend.Close()
	for range 2 {
		if answer, body := get(t, f, "/api/catalog"); answer.StatusCode != http.StatusOK || body != "back" {
			t.Errorf("%d %s", answer.StatusCode, body)
		}
	}
	if n := f.logs.FilterMessage("the fallback answers again").Len(); n != 1 {
		t.Errorf("the log says %d times that it is back", n)
	}
}

// The backend takes a request and closes the connection, as it does when it is killed. It may have done what it was asked.
func TestRequestThatWasSentIsNeverRepeated(t *testing.T) {
	var seen atomic.Int64
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		seen.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer backend.Close()
	f := newFront(t, backend.URL, "")
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "DELETE", "POST", "PUT"} {
		for _, body := range []string{"", "body"} {
			if answer, _ := get(t, f, "/first"); answer.StatusCode != http.StatusOK { // a connection for the pool
				t.Fatal(answer.Status)
			}
			seen.Store(0)
			r, _ := http.NewRequestWithContext(t.Context(), method, f.URL, strings.NewReader(body))
			r.Header.Set("Idempotency-Key", "1")
			answer, err := f.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text := read(t, answer)
			if answer.StatusCode != http.StatusBadGateway || seen.Load() != 1 || method != "HEAD" && !strings.Contains(text, "cannot be reached") {
				t.Errorf("%s %q: %d %s, and the backend saw it %d times", method, body, answer.StatusCode, text, seen.Load())
			}
		}
	}
}

func TestAnswerThatBreaksOffBreaksOff(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "some")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer backend.Close()
	f := newFront(t, backend.URL, "")
	answer, err := f.Client().Get(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if body, err := io.ReadAll(answer.Body); string(body) != "some" || err == nil {
		t.Errorf("%q, as if it were whole", body)
	}
	f.Close() // waits for the line in the log
	if n := f.logs.FilterField(zapIncoming).Len(); n != 1 {
		t.Errorf("%d lines in the request log, want 1", n)
	}
}

// An answer that is not HTTP, and headers without end, are a 502 of which the client learns nothing.
func TestAnswerThatCannotBeReadIsA502(t *testing.T) {
	for name, answer := range map[string]string{
		"not HTTP":        "SSH-2.0-OpenSSH_9.2\r\n",
		"endless headers": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Long: "+strings.Repeat("x", 1000)+"\r\n", 100) + "\r\n",
		"a foreign 101":   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	} {
		f := newFront(t, scripted(t, answer), "")
		got, body := get(t, f, "/")
		if got.StatusCode != http.StatusBadGateway || strings.Contains(body, "SSH") || strings.Contains(body, "127.0.0.1") {
			t.Errorf("%s: %d %s", name, got.StatusCode, body)
		}
	}
}

// A client that goes away ends its request at the backend, and is no failure of the backend.
func TestClientThatLeavesEndsItsRequest(t *testing.T) {
	for name, text := range map[string]string{
		"waiting":   "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"uploading": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome",
	} {
		entered, ended := make(chan struct{}), make(chan struct{})
		backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			close(ended)
		}))
		f := newFront(t, backend.URL, "")
		connection, _ := dial(t, f.URL, text)
		<-entered
		_ = connection.Close()
		<-ended
		f.Close()
		if lines := f.logs.FilterLevelExact(zap.ErrorLevel).All(); len(lines) > 0 {
			t.Errorf("%s: the log blames the backend: %v", name, lines)
		}
		backend.Close()
	}
}

// The backend refuses an upload without reading it, and the client learns why.
func TestEarlyRefusalOfAnUploadArrives(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}))
	defer backend.Close()
	f := newFront(t, backend.URL, "")
	answer, body := raw(t, f.URL, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	if answer.StatusCode != http.StatusRequestEntityTooLarge || body != "too large\n" {
		t.Errorf("with Expect: %d %q", answer.StatusCode, body)
	}
	connection, in := dial(t, f.URL, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nsome")
	got, err := http.ReadResponse(bufio.NewReader(in), nil)
	if err != nil || got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("without Expect: %v, %v", got, err)
	}
	_ = connection.Close()
}

// A slow backend holds up nobody else.
func TestSlowBackendHoldsUpNobodyElse(t *testing.T) {
	release := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	defer backend.Close()
	f := newFront(t, backend.URL, "")
	const many = 100
	answers := make(chan string, many)
	for range many {
		go func() {
			answer, err := f.Client().Get(f.URL + "/slow")
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- read(t, answer)
		}()
	}
	for _, path := range []string{"/own", "/quick", "/own"} {
		if answer, body := get(t, f, path); answer.StatusCode != http.StatusOK || !strings.HasSuffix(path, body) {
			t.Errorf("%s: %d %s", path, answer.StatusCode, body)
		}
	}
	close(release)
	for range many {
		if got := <-answers; got != "/slow" {
			t.Error(got)
		}
	}
	f.Client().CloseIdleConnections()
}

// The certificates of NODE_EXTRA_CA_CERTS are trusted for the target, and no others.
func TestTargetsCertificateIsChecked(t *testing.T) {
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	backend.EnableHTTP2 = true
	backend.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	backend.StartTLS()
	defer backend.Close()
	t.Setenv("NODE_EXTRA_CA_CERTS", "")
	if answer, _ := get(t, newFront(t, backend.URL, ""), "/"); answer.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d with an unknown authority", answer.StatusCode)
	}
	t.Setenv("NODE_EXTRA_CA_CERTS", pemFile(t, backend.Certificate().Raw))
	if answer, body := get(t, newFront(t, backend.URL, ""), "/"); answer.StatusCode != http.StatusOK || body != "HTTP/1.1" {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

// Nothing of the environment leads requests elsewhere: the target is inside.
func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	f := newFront(t, scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnode"), "")
	if answer, body := get(t, f, "/"); answer.StatusCode != http.StatusOK || body != "node" {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}
