package host_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/understudy-host/understudy/plugin/plugintest"
)

// certified is a configuration with a new certificate for name.
func certified(t testing.TB, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	cert, err1 := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	private, err2 := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return strconv.Quote(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return "backend: {baseUrl: https://localhost:0, https: {certificate: {" +
		"cert: " + block("CERTIFICATE", cert) + ", key: " + block("PRIVATE KEY", private) + "}}}\n"
}

func TestRenewedCertificateIsUsedWithoutARestart(t *testing.T) {
	h := plugintest.Open(t, certified(t, "old.example"))
	for _, step := range []struct{ yaml, want string }{
		{"", "old.example"},
		{certified(t, "new.example"), "new.example"},
		{strings.Replace(certified(t, "bad.example"), "BEGIN", "", 1), "new.example"},
	} {
		if step.yaml != "" {
			h.Write(step.yaml)
			h.Log.Wait(t, "the changed config is ")
		}
		conn, err := tls.Dial("tcp", strings.TrimPrefix(h.URL(), "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].DNSNames[0]; got != step.want {
			t.Errorf("served with the certificate of %s, want %s", got, step.want)
		}
		_ = conn.Close()
	}
}
