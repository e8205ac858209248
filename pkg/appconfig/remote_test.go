package appconfig_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

func TestRemoteDocumentFromAServerOfAPrivateAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("a: " + r.Proto))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	load := func(file string) (string, error) {
		t.Setenv("NODE_EXTRA_CA_CERTS", file)
		config, err := appconfig.Load(t.Context(), appconfig.Options{Targets: []string{server.URL + "/x.yaml?token=secret"}})
		if err != nil {
			return "", err
		}
		return config.GetString("a")
	}
	file := filepath.Join(t.TempDir(), "extra.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := load(file); got != "HTTP/2.0" || err != nil {
		t.Errorf("with its certificate: %q, %v", got, err)
	}
	missing := filepath.Join(t.TempDir(), "missing.pem")
	_, err := load(missing)
	if err == nil || !strings.Contains(err.Error(), "unknown authority") || !strings.Contains(err.Error(), missing) || strings.Contains(err.Error(), "secret") {
		t.Errorf("with a file that is missing: %v", err)
	}
	if _, err := load(""); err == nil || !strings.HasSuffix(err.Error(), "signed by unknown authority") {
		t.Errorf("without: %v", err)
	}
}
