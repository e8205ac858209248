package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// certified returns a server with a certificate of its own, for 127.0.0.1 unless change says otherwise, and the
// certificate in PEM.
func certified(t *testing.T, change func(*x509.Certificate)) (server *httptest.Server, text []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"username":"wren"}`)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// profile reads a profile from a deployment with the certificates of a file.
func profile(t *testing.T, deployment, file string) (*Error, *observer.ObservedLogs) {
	t.Helper()
	t.Setenv("NODE_EXTRA_CA_CERTS", file)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	core, logs := observer.New(zap.WarnLevel)
	pool := NewPool(ctx, Options{Timeout: time.Minute}, zap.New(core))
	c := &Client{Application{Deployment: deployment}, pool, newMetadata(pool, deployment)}
	c.metadata.due.Store(time.Now().Add(time.Hour).Unix())
	if _, err := c.Profile(t.Context(), "token"); err != nil {
		return From(err), logs
	}
	return nil, logs
}

func TestHintsOfCodersRefusals(t *testing.T) {
	for want, err := range map[string]*Error{
		"additionalScopes":      badStatus("refreshing", 400, "invalid_request"),
		"--experiments oauth2":  badStatus("refreshing", 403, ""),
		"clientId":              badStatus(exchanging, 401, "invalid_client"),
		"the session has ended": badStatus("refreshing", 400, "invalid_grant"),
	} {
		if !strings.Contains(err.Hint(), want) {
			t.Errorf("%v: hint %q, want %q in it", err, err.Hint(), want)
		}
	}
	if hint := badStatus(readingProfile, 403, "").Hint(); hint != "" {
		t.Errorf("a user who may not read the profile: hint %q", hint)
	}
}

func TestTLSFailuresAreToldApart(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	unknown, good := certified(t, func(*x509.Certificate) {})
	hour := time.Hour
	tests := map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"wrong name":    {func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.example"} }, "another host name"},
		"expired":       {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "has expired"},
		"not yet valid": {func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(hour), time.Now().Add(2*hour) }, "not valid yet"},
		"wrong use":     {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }, "not made for this use"},
	}
	write := func(text []byte) string {
		file := filepath.Join(t.TempDir(), "extra.pem")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	check := func(name string, err *Error, want string) {
		t.Helper()
		if err == nil || err.Kind != Unreachable || !strings.Contains(err.Hint(), want) {
			t.Errorf("%s: %v, hint %q, want %q in it", name, err, err.Hint(), want)
		}
		if err != nil && (strings.Contains(err.UserText(), "x509") || strings.Contains(err.UserText(), "certificate")) {
			t.Errorf("%s: users read %q", name, err.UserText())
		}
	}
	for name, test := range tests {
		server, text := certified(t, test.change)
		err, _ := profile(t, server.URL, write(text))
		check(name, err, test.want)
	}
	err, _ := profile(t, unknown.URL, "")
	check("unknown authority", err, "NODE_EXTRA_CA_CERTS")
	err, _ = profile(t, strings.Replace(plain.URL, "http:", "https:", 1), "")
	check("no TLS", err, "does not speak TLS")
	err, _ = profile(t, "https://127.0.0.1:1", "")
	check("nobody there", err, "network")
	if err, logs := profile(t, unknown.URL, write(good)); err != nil || logs.Len() != 0 {
		t.Errorf("trusted: %v, log %v", err, logs.All())
	}
	if _, logs := profile(t, unknown.URL, "/missing.pem"); logs.Len() != 1 || !strings.Contains(logs.All()[0].Message, "/missing.pem") {
		t.Errorf("a file that is missing: log %v", logs.All())
	}
}
