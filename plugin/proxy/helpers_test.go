package proxy_test

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/plugintest"
	"github.com/understudy-host/understudy/plugin/proxy"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2.runClock"))
}

// jane is a caller who has passed the barrier.
var jane = backstageauth.Principal{Kind: backstageauth.User, UserEntityRef: "user:default/jane"}

// front is a server with the plugin alone, at /api/proxy.
type front struct {
	*httptest.Server
	logs *observer.ObservedLogs
}

// serve runs the plugin. Each request is one of the caller.
func serve(t testing.TB, content string, caller backstageauth.Principal) *front {
	t.Helper()
	f, err := start(t, content, caller)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func start(t testing.TB, content string, caller backstageauth.Principal) (*front, error) {
	t.Helper()
	p := proxy.Plugin()
	env, logs := plugintest.Environment(t, p, content)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	handler, err := p.New(ctx, env)
	if err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(express.StripPrefix("/api/proxy", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(backstageauth.WithCaller(r.Context(), caller)))
	})))
	server.Config.DisableGeneralOptionsHandler = true
	server.Start()
	server.Client().Transport.(*http.Transport).DisableCompression = true
	server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(server.Close)
	return &front{server, logs}, nil
}

// target is a server that requests are passed on to.
func target(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// scripted answers a request with bytes.
func scripted(t testing.TB, w http.ResponseWriter, answer string) {
	t.Helper()
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(connection, answer)
	_ = connection.Close()
}

// endpoint is the configuration of one endpoint /coder. more are other keys of it, in YAML's flow form.
func endpoint(target, more string) string {
	return "proxy: {endpoints: {/coder: {target: '" + target + "', credentials: dangerously-allow-unauthenticated" + more + "}}}\n"
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

// raw sends a request byte by byte and returns the answer, with the body read. A request without line breaks is only the
// first line.
func raw(t testing.TB, server, text string) (*http.Response, string) {
	t.Helper()
	if !strings.Contains(text, "\r\n") {
		text += " HTTP/1.1\r\nHost: front.example\r\nConnection: close\r\n\r\n"
	}
	_, in := dial(t, server, text)
	method, _, _ := strings.Cut(text, " ")
	answer, err := http.ReadResponse(in, &http.Request{Method: method})
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

// secure returns the address of a server whose certificate nobody knows.
func secure(t testing.TB) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// sorted compares lists without their order.
func sorted(less func(a, b string) bool) cmp.Option { return cmpopts.SortSlices(less) }
