package coder

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func FuzzCallback(f *testing.F) {
	b := both(f)
	for _, query := range []string{"", "code=x", "code=x&state=" + legacyState, "error=access_denied", "code=%00&state=%ff", "a;b&%zz", "state[]=x&code[a]=b"} {
		f.Add(query)
	}
	b.coder.set(func(c *fakeCoder) {
		c.token = failing(400, `{"error":"invalid_grant","error_description":"`+upstreamProse+`"}`)
	})
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/oauth/callback", "/handler/frame", "/start", "/oauth2/authorize"} {
			r := &http.Request{Method: "GET", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}, Proto: "HTTP/1.1"}
			w := &sink{header: http.Header{}}
			b.handler.ServeHTTP(w, r.WithContext(t.Context()))
			if strings.Contains(w.body.String(), clientSecret) || strings.Contains(w.body.String(), upstreamProse) || w.status == 0 {
				t.Errorf("%s?%s: status %d: %s", path, query, w.status, w.body.String())
			}
		}
	})
}

type sink struct {
	header http.Header
	status int
	body   strings.Builder
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return s.body.Write(p) }

func TestHealth(t *testing.T) {
	b := both(t)
	answer := b.browser(t).get("/health?x=1")
	if answer.StatusCode != 200 || answer.body != `{"status":"ok"}` || answer.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("status %d: %s", answer.StatusCode, answer.body)
	}
	if answer := b.browser(t).do("HEAD", "/health", nil); answer.StatusCode != 200 {
		t.Errorf("HEAD: status %d", answer.StatusCode)
	}
}

func TestRoutingIsThatOfExpress(t *testing.T) {
	b := both(t)
	for path, status := range map[string]int{
		"/health/": 200, "//health": 200, "/HEALTH": 200, "//Health/": 200, "/health//": 404, "///health": 404, "/health/x": 404,
		"/he%61lth": 404, "/health%2F": 404, "/OAuth/Callback": 400, "/Start?env=development": 302, "//start/?env=development": 302,
		"/./health": 404, "/x/../health": 404,
	} {
		if answer := b.browser(t).get(path); answer.StatusCode != status {
			t.Errorf("%s: status %d, want %d", path, answer.StatusCode, status)
		}
	}
}

func TestOptions(t *testing.T) {
	b := both(t)
	for path, allow := range map[string]string{
		"/health": "GET,HEAD", "/oauth/callback": "GET,HEAD", "/start": "GET,HEAD", "/handler/frame": "GET,HEAD,POST",
		"/refresh": "GET,HEAD,POST", "/logout": "POST", "/oauth2/authorize": "GET,HEAD",
	} {
		answer := b.browser(t).do("OPTIONS", path, nil)
		if answer.StatusCode != 200 || answer.Header.Get("Allow") != allow || answer.body != allow {
			t.Errorf("%s: status %d, Allow %q, %q", path, answer.StatusCode, answer.Header.Get("Allow"), answer.body)
		}
	}
}

func TestCodeInTheBody(t *testing.T) {
	b := both(t)
	for contentType, body := range map[string]func(string) string{
		"application/x-www-form-urlencoded": func(code string) string { return "a=b&code=" + url.QueryEscape(code) },
		"application/json; charset=UTF-8":   func(code string) string { return `{"code":"` + code + `"}` },
	} {
		br := b.browser(t)
		callback, state := br.begin("/start?env=development")
		at, _ := url.Parse(callback)
		answer := br.do("POST", "/handler/frame?state="+state, strings.NewReader(body(at.Query().Get("code"))), "Content-Type", contentType)
		if answer.posted(t).token() == "" {
			t.Errorf("%s: %s", contentType, answer.visible())
		}
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	b := both(t)
	tests := map[string]struct {
		contentType, encoding, body string
		status                      int
		want                        string
	}{
		"cut JSON":     {"application/json", "", `{"a":`, 400, `"message":"Unexpected end of JSON input"`},
		"no JSON":      {"application/json", "", `{"a" 1}`, 400, `"name":"SyntaxError","message":"Unexpected token in JSON"`},
		"JSON text":    {"application/json", "", `"text"`, 400, "Unexpected token in JSON"},
		"large":        {"application/json", "", `{"a":"` + strings.Repeat("x", 120000) + `"}`, 413, `"name":"PayloadTooLargeError","message":"request entity too large","expected":120008,"length":120008,"limit":102400,"type":"entity.too.large"`},
		"large form":   {"application/x-www-form-urlencoded", "", "a=" + strings.Repeat("x", 120000), 413, "entity.too.large"},
		"charset":      {"application/json; charset=klingon", "", "{}", 415, `"message":"unsupported charset \"KLINGON\"","charset":"klingon","type":"charset.unsupported"`},
		"encoding":     {"application/json", "br", "{}", 415, `"type":"encoding.unsupported"`},
		"another type": {"text/plain", "", "anything", 404, "Unknown auth provider"},
		"JSON array":   {"application/json", "", "[1]", 404, "Unknown auth provider"},
	}
	for name, test := range tests {
		headers := []string{"Content-Type", test.contentType}
		if test.encoding != "" {
			headers = append(headers, "Content-Encoding", test.encoding)
		}
		answer := b.browser(t).do("POST", "/health", strings.NewReader(test.body), headers...)
		if answer.StatusCode != test.status || !strings.Contains(answer.body, test.want) {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.body)
		}
	}
	chunked := struct{ *strings.Reader }{strings.NewReader("a=" + strings.Repeat("x", 120000))} // of unknown length
	if answer := b.browser(t).do("POST", "/health", chunked, "Content-Type", "application/x-www-form-urlencoded"); answer.StatusCode != 413 {
		t.Errorf("chunked: status %d", answer.StatusCode)
	}
}
