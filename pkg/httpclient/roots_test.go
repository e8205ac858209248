package httpclient

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority returns a certificate of an authority that nobody knows, in PEM.
func authority(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// get returns why a server cannot be read with the certificates of a file, or nil.
func get(t *testing.T, url, file string) (warning, err error) {
	t.Setenv("NODE_EXTRA_CA_CERTS", file)
	transport, warning := New(Options{})
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	return warning, err
}

func TestNodeExtraCACertsAreTrusted(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	ours := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	old := pem.EncodeToMemory(&pem.Block{Type: "X509 CERTIFICATE", Bytes: server.Certificate().Raw})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("no key")})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")})
	other := authority(t, "other")
	join := func(parts ...[]byte) string {
		var text strings.Builder
		for _, part := range parts {
			text.Write(part)
		}
		return text.String()
	}
	tests := map[string]struct {
		text    string
		trusted bool
		warning string // a part of it
	}{
		"one":                     {join(ours), true, ""},
		"the last of several":     {join(other, []byte("# a comment\n"), key, ours), true, ""},
		"the first of several":    {join(ours, other), true, ""},
		"Windows line ends":       {strings.ReplaceAll(join(other, ours), "\n", "\r\n"), true, ""},
		"old name":                {join(old), true, ""},
		"before a broken one":     {join(ours, broken), true, "certificate 2"},
		"after a broken one":      {join(broken, ours), false, "certificate 1"},
		"beside what is not PEM":  {join(ours, []byte("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n")), true, "not PEM"},
		"others alone":            {join(other), false, ""},
		"none":                    {"", false, "no certificate in PEM"},
		"DER":                     {string(server.Certificate().Raw), false, "no certificate in PEM"},
		"larger than any of them": {join(ours) + strings.Repeat("#", maxRoots), false, "larger than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "extra.pem")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			warning, err := get(t, server.URL, file)
			if (err == nil) != test.trusted {
				t.Errorf("trusted: %t, want %t: %v", err == nil, test.trusted, err)
			}
			if (warning == nil) != (test.warning == "") || warning != nil && !strings.Contains(warning.Error(), test.warning) {
				t.Errorf("warning %v, want %q", warning, test.warning)
			}
		})
	}
	for name, file := range map[string]string{"missing": filepath.Join(t.TempDir(), "none.pem"), "folder": t.TempDir(), "device": os.DevNull} {
		if warning, err := get(t, server.URL, file); err == nil || warning == nil || !strings.Contains(warning.Error(), "NODE_EXTRA_CA_CERTS") {
			t.Errorf("%s: %v, warning %v", name, err, warning)
		}
	}
	if warning, err := get(t, server.URL, ""); err == nil || warning != nil {
		t.Errorf("unset: %v, warning %v", err, warning)
	}
}
