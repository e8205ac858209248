//go:build standin

package standin

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exchange is what a client sees of an answer, without what differs from one time to the next.
type exchange struct {
	Status  int
	Headers http.Header
	Body    string
}

// Tokens and dates of cookies.
var (
	token   = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)
	expires = regexp.MustCompile(`Expires=[^;]+|"expiresAt": ?"[^"]+"`)
)

// send sends a request byte by byte.
func (s *stack) send(address, text string) exchange {
	s.t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(time.Minute))
	go func() { _, _ = io.WriteString(connection, text) }()
	method, _, _ := strings.Cut(text, " ")
	answer, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%.200q: %v", text, err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Errorf("%.200q: %v", text, err)
	}
	e := exchange{answer.StatusCode, answer.Header, expires.ReplaceAllString(token.ReplaceAllString(string(body), "TOKEN"), "EXPIRES")}
	if e.Body != string(body) { // they are made of the body
		e.Headers.Del("Etag")
		e.Headers.Del("Content-Length")
	}
	for _, name := range []string{"Date", "Connection", "Keep-Alive"} {
		e.Headers.Del(name)
	}
	if e.Headers.Get("Content-Length") == "0" { // or no chunks; with a 204, where Node has it, RFC 9110 forbids it
		e.Headers.Del("Content-Length")
	}
	for i, cookie := range e.Headers["Set-Cookie"] {
		e.Headers["Set-Cookie"][i] = expires.ReplaceAllString(token.ReplaceAllString(cookie, "TOKEN"), "EXPIRES")
	}
	return e
}

// guestToken returns a token that Node issues through the host.
func (s *stack) guestToken() string {
	s.t.Helper()
	r, _ := http.NewRequest(http.MethodPost, s.host.URL()+"/api/auth/guest/refresh", nil)
	r.Header.Set("X-Requested-With", "XMLHttpRequest")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	found := token.FindString(string(body))
	if found == "" {
		s.t.Fatalf("no token: %d %s", answer.StatusCode, body)
	}
	return found
}

// requests are first lines with headers; the rest is added. A body follows an empty line. TOKEN is a guest's token.
var requests = map[string]string{
	"root":                        "GET /",
	"api":                         "GET /api",
	"unknown plugin":              "GET /api/catalog/entities?filter=kind=component",
	"unknown provider":            "GET /api/auth/nope/start?env=development",
	"JWKS":                        "GET /api/auth/.well-known/jwks.json",
	"JWKS, packed":                "GET /api/auth/.well-known/jwks.json\nAccept-Encoding: gzip",
	"JWKS from the app":           "GET /api/auth/.well-known/jwks.json\nOrigin: " + app,
	"JWKS from elsewhere":         "GET /api/auth/.well-known/jwks.json\nOrigin: https://evil.example",
	"HEAD":                        "HEAD /api/auth/.well-known/jwks.json",
	"HEAD of nothing":             "HEAD /api/nothing",
	"openid":                      "GET /api/auth/.well-known/openid-configuration",
	"guest refresh":               "POST /api/auth/guest/refresh\nX-Requested-With: XMLHttpRequest\nContent-Length: 0",
	"guest refresh by GET":        "GET /api/auth/guest/refresh?env=development\nX-Requested-With: XMLHttpRequest",
	"guest refresh, no header":    "POST /api/auth/guest/refresh\nContent-Length: 0",
	"guest start":                 "GET /api/auth/guest/start?env=development",
	"guest logout":                "POST /api/auth/guest/logout\nX-Requested-With: XMLHttpRequest\nContent-Length: 0",
	"user info":                   "GET /api/auth/v1/userinfo\nAuthorization: Bearer TOKEN",
	"user info, no token":         "GET /api/auth/v1/userinfo",
	"user info, wrong token":      "GET /api/auth/v1/userinfo\nAuthorization: Bearer abc",
	"cookie":                      "GET /api/proxy/.backstage/auth/v1/cookie\nAuthorization: Bearer TOKEN",
	"cookie, removed":             "DELETE /api/proxy/.backstage/auth/v1/cookie\nCookie: backstage-auth=abc",
	"bad JSON":                    "POST /api/auth/guest/refresh\nContent-Type: application/json\nContent-Length: 5\n\n{\"a\":",
	"bad charset":                 "POST /api/auth/guest/refresh\nContent-Type: application/json; charset=klingon\nContent-Length: 2\n\n{}",
	"large JSON":                  "POST /api/auth/guest/refresh\nContent-Type: application/json\nContent-Length: 200002\n\n\"" + strings.Repeat("x", 200000) + "\"",
	"form":                        "POST /api/auth/guest/refresh\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 7\n\na=b&c=d",
	"chunks":                      "POST /api/auth/guest/refresh\nX-Requested-With: XMLHttpRequest\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n2\r\n{}\r\n0\r\n\r\n",
	"preflight":                   "OPTIONS /api/catalog/entities\nOrigin: " + app + "\nAccess-Control-Request-Method: POST\nAccess-Control-Request-Headers: authorization",
	"preflight from elsewhere":    "OPTIONS /api/catalog/entities\nOrigin: https://evil.example\nAccess-Control-Request-Method: POST",
	"OPTIONS":                     "OPTIONS /api/auth/.well-known/jwks.json",
	"OPTIONS of all":              "OPTIONS *",
	"PROPFIND":                    "PROPFIND /api/auth/nope",
	"TRACE":                       "TRACE /api/auth/nope",
	"PATCH":                       "PATCH /api/auth/nope\nContent-Length: 0",
	"DELETE":                      "DELETE /api/auth/nope",
	"long error":                  "GET /api/auth/" + strings.Repeat("x", 3000) + "/start",
	"long error, gzip":            "GET /api/auth/" + strings.Repeat("x", 3000) + "/start\nAccept-Encoding: gzip",
	"long error, br":              "GET /api/auth/" + strings.Repeat("x", 3000) + "/start\nAccept-Encoding: br;q=1, gzip;q=0.5",
	"long error, nothing":         "GET /api/auth/" + strings.Repeat("x", 3000) + "/start\nAccept-Encoding: identity",
	"long query":                  "GET /api/auth/nope?" + strings.Repeat("a=b&", 2500),
	"long headers":                "GET /api/auth/nope\nX-Long: " + strings.Repeat("x", 10000),
	"odd escapes":                 "GET /api/auth/a%2Fb%2f%5c%00%e4{c}|d\"^`\\",
	"odd query":                   "GET /api/auth/nope?a=%ZZ&b;c&&=d&e[f]=g&h={i}|",
	"broken escape in a query":    "GET /api/auth/nope/start?env=%",
	"doubled slashes":             "GET //api//auth//nope//start",
	"doubled slash after a mount": "GET /api/auth//nope/start",
	"dots":                        "GET /api/auth/../auth/./nope",
	"case":                        "GET /API/AUTH/.well-known/JWKS.json",
	"trailing slash":              "GET /api/auth/.well-known/jwks.json/",
	"a fragment":                  "GET /api/auth/nope#x",
	"other health":                "GET /.backstage/health/v1/nothing",
	"proxy, no token":             "GET /api/proxy/coder/api/v2/users/me",
	"proxy, unknown":              "GET /api/proxy/nope",
	"proxy, wrong token":          "GET /api/proxy/coder/x\nAuthorization: Bearer TOKENx",
	"proxy":                       "GET /api/proxy/coder/api/v2/users/me?a=b\nAuthorization: Bearer TOKEN\nCoder-Session-Token: c",
	"proxy, a body":               "POST /api/proxy/coder/x\nAuthorization: Bearer TOKEN\nContent-Type: application/json\nContent-Length: 2\n\n{}",
	"proxy, a large answer":       "GET /api/proxy/open/large\nAccept-Encoding: gzip",
	"proxy, other method":         "PUT /api/proxy/coder/x\nAuthorization: Bearer TOKEN\nContent-Length: 0",
	"proxy, traversal":            "GET /api/proxy/open/..%2f..%2fx",
	"proxy, target down":          "GET /api/proxy/gone/x",
	"conditional":                 "GET /api/auth/nope\nIf-None-Match: *\nIf-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT",
	"a range":                     "GET /api/proxy/open/large\nRange: bytes=0-9",
	"a WebSocket that is none":    "GET /api/auth/nope\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// Each request goes to the Node backend directly and through the host.
func TestNodesRoutesAnswerTheSameThroughTheHost(t *testing.T) {
	s := newStack(t)
	guest := s.guestToken()
	through := "127.0.0.1:" + s.hostPort()
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			head, body, _ := strings.Cut(strings.ReplaceAll(request, "TOKEN", guest), "\n\n")
			line, headers, _ := strings.Cut(head, "\n")
			text := line + " HTTP/1.1\r\nHost: localhost:" + s.hostPort() + "\r\nConnection: close\r\n"
			if headers != "" {
				text += strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n"
			}
			text += "\r\n" + body
			directly, answer := s.send(s.node, text), s.send(through, text)
			if diff := cmp.Diff(directly, answer); diff != "" {
				t.Errorf("directly (-) and through the host (+):\n%s", diff)
			}
		})
	}
	t.Run("a body that has not changed", func(t *testing.T) {
		text := "GET /api/auth/.well-known/jwks.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		tag := s.send(through, text+"\r\n").Headers.Get("Etag")
		text += "If-None-Match: " + tag + "\r\n\r\n"
		directly, answer := s.send(s.node, text), s.send(through, text)
		if diff := cmp.Diff(directly, answer); diff != "" || tag == "" || answer.Status != http.StatusNotModified {
			t.Errorf("status %d; directly (-) and through the host (+):\n%s", answer.Status, diff)
		}
	})
}

// Node's own Coder provider is configured, too. Nobody reaches it.
func TestCodersRoutesAreTheHostsOwn(t *testing.T) {
	s := newStack(t)
	start := "/api/auth/coder/start?env=development&origin=" + app
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for address, id := range map[string]string{s.host.URL(): "client_id=of-the-host", "http://" + s.node: "client_id=of-node"} {
		answer, err := client.Get(address + start)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if location := answer.Header.Get("Location"); answer.StatusCode != http.StatusFound || !strings.Contains(location, id) {
			t.Errorf("%s: %d to %s, want %s", address, answer.StatusCode, location, id)
		}
	}
	for _, path := range []string{
		"/api/auth//coder/start?env=development", "/API/auth/CODER/start?env=development", "/api/auth/coder//start?env=development", "/api/auth/./coder/start?env=development",
		"/api/auth/x/../coder/start?env=development", "/api/auth/c%6fder/start?env=development", "/api/auth/coder/nothing", "/api/auth/coder",
	} {
		answer := s.send("127.0.0.1:"+s.hostPort(), "GET "+path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if strings.Contains(answer.Headers.Get("Location"), "of-node") || strings.Contains(answer.Body, "node_modules") {
			t.Errorf("%s reached Node: %+v", path, answer)
		}
	}
}
