package proxy_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/understudy-host/understudy/plugin/plugintest"
	"github.com/understudy-host/understudy/plugin/proxy"
)

// These are the weaknesses of Backstage's proxy that this one does not have. Each test fails with Backstage's.

func TestChunkedBodyOfAGETNeverReachesTheTargetUnframed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer func() { _ = connection.Close() }()
		var all strings.Builder
		in := io.TeeReader(connection, &all)
		r, err := http.ReadRequest(bufio.NewReader(in))
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		if err != nil {
			got <- err.Error()
			return
		}
		_, _ = io.WriteString(connection, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		_, _ = io.Copy(io.Discard, in) // whatever else comes
		got <- all.String()
	}()
	t.Cleanup(func() { _ = listener.Close() })
	f := serve(t, endpoint("http://"+listener.Addr().String(), ", allowedMethods: [GET]"), jane)
	const smuggled = "DELETE /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled)
	_, _ = raw(t, f.URL, "GET /api/proxy/coder/x HTTP/1.1\r\nHost: front.example\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"+chunked)
	head, body, _ := strings.Cut(<-got, "\r\n\r\n")
	if !strings.HasPrefix(head, "GET /x HTTP/1.1\r\n") || !strings.Contains(head, "\r\nTransfer-Encoding: chunked") || body != chunked {
		t.Errorf("the target got %q and %q", head, body)
	}
}

func TestNoSpellingOfThePathEscapesTheRules(t *testing.T) {
	var got string
	address := target(t, func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI })
	for _, rules := range []string{"", ", pathRewrite: {'^/api/proxy/coder/': /}"} {
		h := plugintest.Open(t, endpoint(address, rules), proxy.Plugin())
		for _, spelling := range []string{
			"/api/proxy/coder/x", "/api/proxy/CODER/x", "/API/Proxy/Coder/x", "/api/proxy//coder/x", "/api/proxy/coder//x",
			"http://front.example/api/proxy/coder/x", h.URL() + "/api/proxy/CODER//x",
		} {
			got = ""
			if answer, _ := raw(t, h.URL(), "GET "+spelling); answer.StatusCode != http.StatusOK || got != "/x" {
				t.Errorf("%s%s: %s, the target got %q", spelling, rules, answer.Status, got)
			}
		}
		for _, spelling := range []string{
			"/api/proxy/coder/../x", "/api/proxy/CODER/%2e%2E/x", "/api/proxy//coder/..%2fx", "http://front.example/api/proxy/coder/..%5Cx", "/api/proxy/coder//../x",
		} {
			got = ""
			if answer, body := raw(t, h.URL(), "GET "+spelling); answer.StatusCode != http.StatusBadRequest || body != "Bad Request" || got != "" {
				t.Errorf("%s%s: %s, the target got %q", spelling, rules, answer.Status, got)
			}
		}
	}
}

func TestErrorsRepeatNothingOfTheRequest(t *testing.T) {
	for _, test := range []struct {
		answer, text string
		status       int
	}{
		{"", "Error occurred while trying to proxy: the target does not answer", http.StatusGatewayTimeout},
		{"nonsense\r\n\r\n", "Error occurred while trying to proxy: the target's answer cannot be used", http.StatusBadGateway},
	} {
		address := target(t, func(w http.ResponseWriter, _ *http.Request) { scripted(t, w, test.answer) })
		f := serve(t, endpoint(address, ""), jane)
		answer, body := raw(t, f.URL, "GET /api/proxy/coder/<script>alert(1)</script>?<b> HTTP/1.1\r\nHost: <i>evil\r\nConnection: close\r\n\r\n")
		if answer.StatusCode == http.StatusBadRequest { // this server refuses such a host
			answer, body = raw(t, f.URL, "GET /api/proxy/coder/<script>alert(1)</script>?<b> HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
		}
		if answer.StatusCode != test.status || body != test.text || answer.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s %q %v", answer.Status, body, answer.Header)
		}
	}
}

func TestPackedAnswersCanBeRead(t *testing.T) {
	address := target(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, `{"packed":true}`)
		_ = z.Close()
	})
	h := plugintest.Open(t, endpoint(address, ""), proxy.Plugin())
	answer, err := http.Get(h.URL() + "/api/proxy/coder/x") // asks for gzip, and unpacks it
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, answer); body != `{"packed":true}` || !answer.Uncompressed {
		t.Errorf("%q %v", body, answer.Header)
	}
}

func TestRedirectsLeadBackThroughTheProxyOrNowhere(t *testing.T) {
	location := ""
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", strings.ReplaceAll(location, "HOST", r.Host))
		w.WriteHeader(http.StatusFound)
	})
	plain := serve(t, endpoint(address, ""), jane)
	based := serve(t, endpoint(address+"/base", ""), jane)
	ruled := serve(t, endpoint(address, ", pathRewrite: {'^/api/proxy/coder/?': /v2/}"), jane)
	odd := serve(t, endpoint(address, ", pathRewrite: {'^/api/proxy/coder/(.*)/(.*)': /$2/$1}"), jane)
	listed := serve(t, endpoint(address, ", allowedHeaders: [Location]"), jane)
	for _, test := range []struct {
		by             *front
		location, want string
	}{
		{plain, "/a/b?c=d#e", "/api/proxy/coder/a/b?c=d#e"},
		{plain, "http://HOST/a%2Fb", "/api/proxy/coder/a%2Fb"},
		{plain, "//HOST/a", "/api/proxy/coder/a"},
		{plain, "sibling", "/api/proxy/coder/dir/sibling"},
		{plain, "https://HOST/a", ""},
		{plain, "http://elsewhere.example/a", ""},
		{plain, "//elsewhere.example/a", ""},
		{plain, "http://HOST@elsewhere.example/", ""},
		{plain, "http://user@HOST/a", ""},
		{plain, "javascript:alert(1)", ""},
		{plain, "/a/..%2fb", ""},
		{based, "/base/a", "/api/proxy/coder/a"},
		{based, "/other", ""},
		{based, "/based/a", ""},
		{ruled, "/v2/a", "/api/proxy/coder/a"},
		{ruled, "/v3/a", ""},
		{odd, "/a/b", ""},
		{listed, "http://elsewhere.example/a", "http://elsewhere.example/a"}, // as configured
	} {
		location = test.location
		answer, _ := raw(t, test.by.URL, "GET /api/proxy/coder/dir/x")
		if got := answer.Header.Get("Location"); answer.StatusCode != http.StatusFound || got != test.want {
			t.Errorf("%q: %s to %q, want %q", test.location, answer.Status, got, test.want)
		}
	}
}

func TestAnswersArePackedForTheBrowser(t *testing.T) {
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Error("the target got Accept-Encoding")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `"`+strings.Repeat("x", 5000)+`"`)
	})
	h := plugintest.Open(t, endpoint(address, ""), proxy.Plugin())
	answer, _ := raw(t, h.URL(), "GET /api/proxy/coder/x HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
	if answer.Header.Get("Content-Encoding") != "gzip" || answer.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("%v", answer.Header)
	}
}

func TestRefusedOriginsAreToldFromAllowedOnesByCaches(t *testing.T) {
	address := target(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Vary", "Cookie")
		w.Header().Set("Access-Control-Allow-Origin", "*")
	})
	h := plugintest.Open(t, endpoint(address, "")+"backend: {cors: {origin: 'https://app.example', credentials: true}}\n", proxy.Plugin())
	for origin, allowed := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": ""} {
		answer, _ := raw(t, h.URL(), "GET /api/proxy/coder/x HTTP/1.1\r\nHost: h\r\nOrigin: "+origin+"\r\nConnection: close\r\n\r\n")
		if got := answer.Header.Get("Access-Control-Allow-Origin"); got != allowed || !strings.Contains(answer.Header.Get("Vary"), "Origin") {
			t.Errorf("%s: %v", origin, answer.Header)
		}
	}
}

func TestTargetThatHangsIsGivenUp(t *testing.T) {
	gone := make(chan struct{})
	address := target(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(30 * time.Second): // without the limit it answers, with 200
		}
		close(gone)
	})
	f := serve(t, endpoint(address, ", proxyTimeout: 50"), jane)
	answer, body := raw(t, f.URL, "GET /api/proxy/coder/x")
	if answer.StatusCode != http.StatusGatewayTimeout || body != "Error occurred while trying to proxy: the target does not answer" {
		t.Errorf("%s %q", answer.Status, body)
	}
	<-gone
}
