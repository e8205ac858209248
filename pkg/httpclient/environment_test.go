package httpclient

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// TestMain reads the URL in HTTPCLIENT_TEST_URL instead of running tests: net/http and crypto/x509 read the
// environment once in a process.
func TestMain(m *testing.M) {
	address := os.Getenv("HTTPCLIENT_TEST_URL")
	if address == "" {
		goleak.VerifyTestMain(m)
		return
	}
	transport, warning := New(Options{})
	response, err := (&http.Client{Transport: transport}).Get(address)
	if err != nil {
		fmt.Println("error:", err, warning)
		return
	}
	body, _ := io.ReadAll(response.Body)
	fmt.Println(string(body), warning)
}

// inProcess reads address in a process of its own, with these variables alone.
func inProcess(t *testing.T, address string, environment ...string) string {
	t.Helper()
	command := exec.Command(os.Args[0]) //nolint:gosec // this test
	command.Env = append(environment, "HTTPCLIENT_TEST_URL="+address, "GORACE=atexit_sleep_ms=0", "GOCOVERDIR="+t.TempDir())
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return strings.TrimSpace(string(output))
}

// pemFile writes the server's certificate into a file.
func pemFile(t *testing.T, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "certificates.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExtraCertificatesDoNotReplaceTheSystems(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer server.Close()
	system := pemFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	got := inProcess(t, server.URL, "SSL_CERT_FILE="+system, "NODE_EXTRA_CA_CERTS="+pemFile(t, authority(t, "other")))
	if got != "ok <nil>" {
		t.Error(got)
	}
}

func TestProxyOfTheEnvironmentIsUsed(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer server.Close()
	var connects atomic.Int64
	refuse := new(atomic.Bool)
	// A proxy that leads everywhere to the server. httptest's certificate has the name example.com.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "example.com:443" || refuse.Load() {
			http.Error(w, "words of the proxy", http.StatusProxyAuthRequired)
			return
		}
		connects.Add(1)
		upstream, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = upstream.Close() }()
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(upstream, conn) }()
		_, _ = io.Copy(conn, upstream)
	}))
	defer proxy.Close()
	roots := "NODE_EXTRA_CA_CERTS=" + pemFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for i, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		got := inProcess(t, "https://example.com", name+"="+proxy.URL, roots)
		if got != "ok <nil>" || connects.Load() != int64(i+1) {
			t.Errorf("%s: %s after %d connections through the proxy", name, got, connects.Load())
		}
	}
	// An address of this host that is not a loopback one, which would never go through a proxy.
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		got := inProcess(t, "https://0.0.0.0:"+port, "HTTPS_PROXY="+proxy.URL, name+"=0.0.0.0")
		if !strings.Contains(got, "x509: certificate is valid for") || connects.Load() != 2 {
			t.Errorf("%s: %s", name, got)
		}
	}
	refuse.Store(true)
	if got := inProcess(t, "https://example.com", "HTTPS_PROXY="+proxy.URL); strings.Contains(got, "words") ||
		!strings.Contains(got, "the proxy refused to connect: Proxy Authentication Required") {
		t.Errorf("a proxy that refuses: %s", got)
	}
}

func TestErrorsDoNotHoldTheProxysPassword(t *testing.T) {
	for _, proxy := range []string{"http://u:Hunter2@bad host:1", "http://u:Hunter2%zz@proxy.invalid", "http://u:Hunter2@127.0.0.1:1"} {
		got := inProcess(t, "https://example.com", "HTTPS_PROXY="+proxy)
		if !strings.HasPrefix(got, "error:") || strings.Contains(got, "Hunter2") {
			t.Errorf("%s: %s", proxy, got)
		}
	}
}
