package appconfig_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// A redirect of a document tells nobody its query, nor its user and password, which may be secrets.
func TestRedirectsOfADocumentCarryNoSecrets(t *testing.T) {
	var seen []*http.Request
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r)
		_, _ = w.Write([]byte("a: 1"))
	}))
	defer other.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			seen = append(seen, r)
			w.Header().Set("Location", other.URL+"/x.yaml")
		} else {
			w.Header().Set("Location", "/moved")
		}
		w.WriteHeader(http.StatusFound)
	}))
	defer first.Close()
	target := strings.Replace(first.URL, "//", "//u:S3cr3t@", 1) + "/x.yaml?token=S3cr3t"
	if _, err := appconfig.Load(t.Context(), appconfig.Options{Targets: []string{target}}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 {
		t.Fatalf("%d requests after a redirect, want 2", len(seen))
	}
	for i, r := range seen {
		if r.Referer() != "" || i > 0 && r.Header.Get("Authorization") != "" {
			t.Errorf("%s: Referer %q, Authorization %q", r.URL, r.Referer(), r.Header.Get("Authorization"))
		}
	}
}

func TestRedirectsOfADocumentDoNotLeaveHTTPS(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a: 1")) }))
	defer plain.Close()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		location := plain.URL + "/?token=S3cr3t"
		switch r.URL.Path {
		case "/loop":
			location = "/loop"
		case "/bad":
			location = "http://u:S3cr3t@h:x/"
		}
		http.Redirect(w, r, location, http.StatusFound)
	}))
	defer server.Close()
	for path, want := range map[string]string{"/x": "refused a redirect from https to http", "/loop": "more than 10 redirects", "/bad": "Location"} {
		_, err := appconfig.Load(t.Context(), appconfig.Options{Targets: []string{server.URL + path + "?token=S3cr3t"}, Client: server.Client()})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3cr3t") {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}
