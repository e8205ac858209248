package httpserver_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"

	"github.com/understudy-host/understudy/pkg/httpserver"
)

func listen(ctx context.Context, _, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

func TestListenSaysWhatToDoAboutAPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	o := httpserver.Options{Host: "127.0.0.1", Port: taken.Addr().(*net.TCPAddr).Port}
	_, err = httpserver.Listen(context.Background(), listen, o)
	if err == nil || !strings.Contains(err.Error(), "is in use; stop the other program or set backend.listen.port") {
		t.Errorf("error: %v", err)
	}
}

func TestBaseURLOfThisMachineHasToHaveThePort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if errors.Is(err, syscall.EADDRNOTAVAIL) { // not everywhere is all of 127/8 this machine
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httpserver.Serve(listener, nil, zap.NewNop(), http.HandlerFunc(notFound))
	defer server.Shutdown(context.Background())
	address := listener.Addr().(*net.TCPAddr)
	port := strconv.Itoa(address.Port)
	for url, want := range map[string]string{
		"http://localhost:" + port: "", "http://127.0.0.1:" + port + "/path": "", "https://" + listener.Addr().String(): "",
		"https://backstage.example.com": "", "http://backstage.example.com:1": "", "http://192.0.2.1": "", "http://localhost.example.com": "",
		"http://localhost": "80", "https://LOCALHOST/": "443", "http://localhost:1": "1", "http://[::1]:1": "1", "http://127.0.0.1:1/path": "1",
		"http://" + address.IP.String() + ":1": "1",
	} {
		got := server.Mismatch(url)
		if want == "" && got != "" || want != "" && !strings.HasPrefix(got, "backend.baseUrl has port "+want+", and this backend listens on port "+port) {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestServesHTTPSWithACertificateOfItsOwn(t *testing.T) {
	o, err := options(t, "  listen: 127.0.0.1:0\n  https: true\n")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := httpserver.Listen(context.Background(), listen, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httpserver.Serve(listener, o.TLS, zap.NewNop(), http.HandlerFunc(notFound))
	defer func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	leaf, err := x509.ParseCertificate(o.TLS.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	if body(t, answer); answer.StatusCode != http.StatusNotFound || !strings.HasPrefix(server.URL(), "https://") {
		t.Errorf("%s answers %d", server.URL(), answer.StatusCode)
	}
}

func TestShutdownFinishesRequestsInFlight(t *testing.T) {
	listener, err := httpserver.Listen(context.Background(), listen, httpserver.Options{Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	server := httpserver.Serve(listener, nil, zap.NewNop(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	answered := make(chan string)
	go func() {
		answer, err := http.Get(server.URL())
		if err != nil {
			answered <- err.Error()
			return
		}
		answered <- body(t, answer)
	}()
	<-entered
	stopped := make(chan error)
	go func() { stopped <- server.Shutdown(context.Background()) }()
	if err := <-server.Done(); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("serving ended with %v", err)
	}
	close(release)
	if got := <-answered; got != "done" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Node's HTTP parser decides these before any code of Backstage runs. They were recorded from it.
func TestProtocolIsThatOfNode(t *testing.T) {
	o, err := options(t, corsYAML)
	if err != nil {
		t.Fatal(err)
	}
	handler := httpserver.Wrap(o, new(httpserver.Health), zap.NewNop(), http.HandlerFunc(notFound))
	listener, err := httpserver.Listen(context.Background(), listen, httpserver.Options{Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	server := httpserver.Serve(listener, nil, zap.NewNop(), handler)
	defer func() { _ = server.Shutdown(context.Background()) }()
	for name, c := range map[string]struct {
		head          string
		status        int
		headers, cors bool // answered by Backstage, and with CORS headers
	}{
		"unknown method":     {"FOO / HTTP/1.1\r\n", 400, false, false},
		"lower case":         {"get / HTTP/1.1\r\n", 400, false, false},
		"odd method":         {"M-SEARCH / HTTP/1.1\r\n", 404, true, false},
		"all of it":          {"OPTIONS * HTTP/1.1\r\n", 404, true, false},
		"16 kB":              {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 16000) + "\r\n", 404, true, false},
		"more than 16 kB":    {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 17000) + "\r\n", 431, false, false},
		"an origin":          {"GET / HTTP/1.1\r\nOrigin: http://localhost:3000\r\n", 404, true, true},
		"two origins":        {"GET / HTTP/1.1\r\nOrigin: http://localhost:3000\r\nOrigin: http://x.example\r\n", 404, true, false},
		"a path in disguise": {"GET /.backstage/health/v1/live%6Eess HTTP/1.1\r\n", 404, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }()
			if _, err := io.WriteString(connection, c.head+"Host: localhost\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			headers, cors := answer.Header.Get("Referrer-Policy") != "", answer.Header.Get("Access-Control-Allow-Origin") != ""
			if answer.StatusCode != c.status || headers != c.headers || cors != c.cors || !answer.Close {
				t.Errorf("status %d: %v", answer.StatusCode, answer.Header)
			}
		})
	}
}

// Any client can cause these errors: at the usual level they would fill the log.
func TestHandshakesThatFailAreForDebugging(t *testing.T) {
	o, err := options(t, "  listen: 127.0.0.1:0\n  https: true\n")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := httpserver.Listen(context.Background(), listen, o)
	if err != nil {
		t.Fatal(err)
	}
	logged := make(chan zapcore.Entry, 1)
	log := zaptest.NewLogger(t, zaptest.WrapOptions(zap.Hooks(func(entry zapcore.Entry) error {
		logged <- entry
		return nil
	})))
	server := httpserver.Serve(listener, o.TLS, log, http.HandlerFunc(notFound))
	defer func() { _ = server.Shutdown(context.Background()) }()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if _, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if entry := <-logged; entry.Level != zapcore.DebugLevel {
		t.Errorf("logged at level %s: %s", entry.Level, entry.Message)
	}
}
