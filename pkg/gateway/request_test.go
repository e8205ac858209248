package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPathAndQueryArriveByteByByte(t *testing.T) {
	target, heads := recording(t)
	f := newFront(t, target, "")
	for sent, want := range map[string]string{
		"/":                             "",
		"/api/catalog/entities?a=1&b=2": "",
		"/api?":                         "",
		"/a%2Fb%2fc%20d%E4%3f":          "",
		"/a;b=c,d:e@f$g'h(i)*j!k+l~m":   "",
		`/{a}|"b"^c<d>[e]\f` + "`":      "",
		"/\xc3\xa4/\xff":                "",
		"/a%2F{b}":                      "",
		"/a/../b/./c//d/":               "",
		"/a#b":                          "",
		"/a?b=%ZZ&c;d&%&=&e=f?g#h":      "",
		"/a?\"{|}\xff%2f":               "",
		"//a//b?c":                      "",
		"//":                            "",
		"//a%2fb?":                      "",
		`//a/{b}%2f\c|?{d}`:             `//a/%7Bb%7D%2f%5Cc%7C?{d}`, // it must not seem to name a host
		"*":                             "",
		"http://x.example/a%2fb?c=%ZZ":  "/a%2fb?c=%ZZ",
		"http://x.example":              "/",
		"http://x.example?a":            "/?a",
		"http://x.example//a{b?c":       "//a%7Bb?c",
		"https://x.example/a?b":         "/a?b",
	} {
		if want == "" {
			want = sent
		}
		for _, method := range []string{"GET", "OPTIONS", "REPORT"} {
			if answer, body := raw(t, f.URL, method+" "+sent+" HTTP/1.1\r\nHost: y.example:1234\r\nConnection: close\r\n\r\n"); answer.StatusCode != http.StatusNoContent {
				t.Fatalf("%s %s: %d %s", method, sent, answer.StatusCode, body)
			}
			line, rest, _ := strings.Cut(<-heads, "\r\n")
			host := "y.example:1234"
			if strings.Contains(sent, "://") {
				host = "x.example"
			}
			if line != method+" "+want+" HTTP/1.1" || !strings.HasPrefix(rest, "Host: "+host+"\r\n") {
				t.Errorf("%s %s: %q with %q, want %q", method, sent, line, rest, want)
			}
		}
	}
}

// headers parses what recording sends.
func headers(head string) http.Header {
	header := http.Header{}
	for _, line := range strings.Split(strings.TrimSpace(head), "\r\n")[1:] {
		name, value, _ := strings.Cut(line, ": ")
		header.Add(name, value)
	}
	return header
}

func TestRequestHeadersPassExceptHopByHop(t *testing.T) {
	target, heads := recording(t)
	f := newFront(t, target, "")
	raw(t, f.URL, "POST /x HTTP/1.1\r\nHost: h.example\r\nAuthorization: Bearer t\r\nCookie: a=b\r\nCookie: c=d\r\nOrigin: https://app.example\r\n"+
		"If-None-Match: W/\"1\"\r\nAccept-Encoding: br;q=0.5, gzip\r\nX-Odd_Name: \xe4\r\nX-Empty:\r\nIdempotency-Key: k\r\nContent-Length: 0\r\n"+
		"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: Basic p\r\nProxy-Connection: close\r\nTE: trailers, deflate\r\n\r\n")
	head := <-heads
	got := headers(head)
	want := http.Header{
		"Host": {"h.example"}, "Authorization": {"Bearer t"}, "Cookie": {"a=b", "c=d"}, "Origin": {"https://app.example"}, "If-None-Match": {`W/"1"`},
		"Accept-Encoding": {"br;q=0.5, gzip"}, "X-Odd_name": {"\xe4"}, "X-Empty": {""}, "Idempotency-Key": {"k"}, "Content-Length": {"0"},
		"Te": {"trailers"}, "Backstage-Gateway-Hops": {"1"},
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"h.example"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Nothing is added to the barest of requests, and HTTP/1.0 without a Host gets that of the target.
	raw(t, f.URL, "GET /x HTTP/1.0\r\n\r\n")
	want = http.Header{
		"Host": {strings.TrimPrefix(target, "http://")}, "Backstage-Gateway-Hops": {"1"}, "X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"},
	}
	if diff := cmp.Diff(want, headers(<-heads)); diff != "" {
		t.Errorf("HTTP/1.0 (-want +got):\n%s", diff)
	}
}

func TestForwardedHeadersAreKeptOnlyFromTrustedProxies(t *testing.T) {
	target, heads := recording(t)
	const sent = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.1.1.1, 10.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public.example\r\nForwarded: for=203.0.113.7\r\n"
	kept := []string{"203.0.113.7, 10.1.1.1, 10.2.2.2, 127.0.0.1", "https", "public.example", "for=203.0.113.7"}
	replaced := []string{"127.0.0.1", "http", "h.example", ""}
	for _, test := range []struct {
		trust, sent string
		want        []string
	}{
		{"", sent, replaced},
		{"", "", replaced},
		{"false", sent, replaced},
		{"0", sent, replaced},
		{"'10.0.0.0/8'", sent, replaced},
		{"[]", sent, replaced},
		{"true", sent, kept},
		{"1", sent, kept},
		{"2", sent, kept},
		{"loopback", sent, kept},
		{"'10.0.0.0/8, 127.0.0.1'", sent, kept},
		{"[uniquelocal, loopback]", sent, kept},
		{"true", "", replaced},
		{"true", "X-Forwarded-Proto: https\r\n", []string{"127.0.0.1", "https", "h.example", ""}},
	} {
		more := ""
		if test.trust != "" {
			more = "  trustProxy: " + test.trust
		}
		f := newFront(t, target, more)
		raw(t, f.URL, "GET / HTTP/1.1\r\nHost: h.example\r\nConnection: close\r\n"+test.sent+"\r\n")
		header := headers(<-heads)
		got := []string{header.Get("X-Forwarded-For"), header.Get("X-Forwarded-Proto"), header.Get("X-Forwarded-Host"), header.Get("Forwarded")}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("trustProxy: %s, sent %q (-want +got):\n%s", test.trust, test.sent, diff)
		}
	}
}

// parseInt's rules: leading digits count, and several headers are one text.
func TestHopsAreCountedAsBackstagesGatewayCountsThem(t *testing.T) {
	target, heads := recording(t)
	f := newFront(t, target, "")
	for sent, want := range map[string]string{
		"": "1", "0": "1", "1": "2", "2": "3", " 2 ": "3", "2x": "3", "+2": "3", "2.9": "3", "-1000000": "1", "x": "1", "0x2": "1", "--2": "1", "1\r\nBackstage-Gateway-Hops: 9": "2",
	} {
		raw(t, f.URL, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nbackstage-gateway-hops: "+sent+"\r\n\r\n")
		if got := headers(<-heads)["Backstage-Gateway-Hops"]; len(got) != 1 || got[0] != want {
			t.Errorf("%q becomes %q, want %q", sent, got, want)
		}
	}
	for sent, count := range map[string]string{"3": "3", "4": "4", "3, 0": "3", "999999999999999999999999": "1e+24"} {
		answer, body := get(t, f, "/", "backstage-gateway-hops", sent, "Origin", "https://app.example")
		want := `{"error":{"name":"LoopDetectedError","message":"Maximum proxy hop count exceeded (` + count + `)"}}`
		if answer.StatusCode != http.StatusLoopDetected || body != want || answer.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%q: %d %s", sent, answer.StatusCode, body)
		}
		if answer.Header.Get("Access-Control-Allow-Origin") == "" || answer.Header.Get("X-Content-Type-Options") == "" {
			t.Errorf("an answer of this host's own lacks its headers: %v", answer.Header)
		}
	}
	if len(heads) > 0 {
		t.Error("a request in a loop was passed on")
	}
}

func TestLoopEnds(t *testing.T) {
	var f *front
	visits := 0
	same := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits++
		f.Config.Handler.ServeHTTP(w, r)
	}))
	defer same.Close()
	f = newFront(t, same.URL, "")
	answer, body := get(t, f, "/x")
	if answer.StatusCode != http.StatusLoopDetected || !strings.Contains(body, "hop count exceeded (3)") || visits != 3 {
		t.Errorf("%d %s after %d hops", answer.StatusCode, body, visits)
	}
}

func TestUpgradeToHTTP2IsNotPassedOn(t *testing.T) {
	target, heads := recording(t)
	f := newFront(t, target, "")
	raw(t, f.URL, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
	if header := headers(<-heads); header["Upgrade"] != nil || header["Connection"] != nil || header["Http2-Settings"] != nil {
		t.Errorf("passed on with %v", header)
	}
}

func TestTunnelIsRefused(t *testing.T) {
	target, heads := recording(t)
	f := newFront(t, target, "")
	if answer, _ := raw(t, f.URL, "CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\n\r\n"); answer.StatusCode != http.StatusBadRequest || len(heads) > 0 {
		t.Errorf("status %d", answer.StatusCode)
	}
}
