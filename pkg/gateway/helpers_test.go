package gateway_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/pkg/gateway"
	"github.com/understudy-host/understudy/pkg/httpserver"
)

// zapIncoming is in each line of the request log.
var zapIncoming = zap.String("type", "incomingRequest")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(t testing.TB, content string) *appconfig.Config {
	t.Helper()
	data, err := yaml.Parse([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: data.(*value.Object)})
}

// front is a server with a gateway. It serves /own itself.
type front struct {
	*httptest.Server
	logs *observer.ObservedLogs
}

// newFront returns a server whose fallback is at target. more is YAML below backend.
func newFront(t testing.TB, target, more string) *front {
	t.Helper()
	c := config(t, "backend:\n  cors: {origin: 'https://app.example', credentials: true}\n"+more+"\nunderstudy: {fallback: {target: '"+target+"'}}\n")
	settings, err := gateway.Read(c, gateway.Address{BaseURL: "https://backend.example", Port: 7007})
	if err != nil {
		t.Fatal(err)
	}
	o, err := httpserver.ReadOptions(c)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	ctx, cancel := context.WithCancel(context.Background())
	g := gateway.New(ctx, settings, zap.New(core), func(next http.Handler) http.Handler { return httpserver.Layers(o, next) })
	o.Beyond = g.Beyond(func(r *http.Request) bool { return r.URL.Path == "/own" })
	own := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "own") })
	server := httptest.NewUnstartedServer(httpserver.Wrap(o, new(httpserver.Health), zap.New(core), own))
	server.Config.DisableGeneralOptionsHandler = true
	server.Start()
	server.Client().Transport.(*http.Transport).DisableCompression = true
	server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		server.Close()
		cancel()
		g.Close()
	})
	return &front{server, logs}
}

// dial sends bytes to a server, and returns the connection.
func dial(t testing.TB, server, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	return connection, bufio.NewReader(connection)
}

// raw sends a request byte by byte and returns the answer, with the body read.
func raw(t testing.TB, server, text string) (*http.Response, string) {
	t.Helper()
	_, in := dial(t, server, text)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return answer, read(t, answer)
}

func read(t testing.TB, answer *http.Response) string {
	t.Helper()
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

func get(t testing.TB, f *front, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	answer, err := f.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer, read(t, answer)
}

// recording is a backend that sends what it gets, up to the empty line, and answers with 204.
func recording(t testing.TB) (target string, heads <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			func() {
				defer func() { _ = connection.Close() }()
				in, head := bufio.NewReader(connection), ""
				for !strings.HasSuffix(head, "\r\n\r\n") {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					head += line
				}
				got <- head
				_, _ = io.WriteString(connection, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
			}()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return "http://" + listener.Addr().String(), got
}

// pemFile writes a certificate to a file and returns its name.
func pemFile(t testing.TB, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
