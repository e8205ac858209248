package proxy_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/understudy-host/understudy/pkg/backstageauth"
)

// recording is what @backstage/plugin-proxy-backend 0.6.18, with http-proxy-middleware 2.0.12, did with a configuration and
// some requests. TARGET is the server that it passed them on to.
type recording struct {
	Name        string
	Proxy, Auth json.RawMessage
	Caller      bool   // the caller has credentials
	Response    string // of the target; "" is 200 with the body "ok"
	Error       string // of the start
	Warnings    []string
	Requests    []struct {
		Send    string      // the first line, or the whole request
		Saw     string      // the target's first line
		Headers http.Header // that the target got
		Body    string
		Status  int
		Answer  http.Header // those of the answer; nil if Express made it
	}
}

// differs are the places where this plugin differs on purpose, by the name of the recording. docs/proxy.md has them.
var differs = map[string]struct {
	answer http.Header // these headers are added
	why    string
}{
	"redirect": {http.Header{"Location": {"/api/proxy/coder/x"}}, "a redirect of the target leads back through the proxy"},
}

func TestRequestsAndAnswersAreThoseOfBackstagesProxy(t *testing.T) {
	text, err := os.ReadFile("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var recordings []recording
	if err := json.Unmarshal(text, &recordings); err != nil {
		t.Fatal(err)
	}
	for _, recorded := range recordings {
		t.Run(recorded.Name, func(t *testing.T) { recorded.replay(t) })
	}
}

func (recorded recording) replay(t *testing.T) {
	var seen []*http.Request
	var bodies []string
	address := target(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen, bodies = append(seen, r), append(bodies, string(body))
		if recorded.Response == "" && recorded.Name != "connection closed" {
			recorded.Response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: x\r\n\r\nok"
		}
		scripted(t, w, strings.Replace(recorded.Response, "\r\n", "\r\nConnection: close\r\n", 1))
	})
	host := strings.TrimPrefix(address, "http://")
	config := "proxy: " + strings.NewReplacer("TARGET", address, "HOST", host).Replace(string(recorded.Proxy)) + "\n"
	if recorded.Auth != nil {
		config += "backend: {auth: " + string(recorded.Auth) + "}\n"
	}
	var caller backstageauth.Principal
	if recorded.Caller {
		caller = jane
	}
	f, err := start(t, config, caller)
	if (err != nil) != (recorded.Error != "") {
		t.Fatalf("the start's error is %v, and Backstage's %q", err, recorded.Error)
	}
	if err != nil {
		if !strings.HasPrefix(err.Error(), "config key 'proxy.endpoints./coder.") {
			t.Errorf("%v: the error does not name the key", err)
		}
		return
	}
	for _, warning := range recorded.Warnings {
		begins, _, _ := strings.Cut(warning, " due to ")
		found := false
		for _, entry := range f.logs.All() {
			found = found || strings.HasPrefix(entry.Message, begins)
		}
		if !found {
			t.Errorf("there is no warning %q", warning)
		}
	}
	for _, want := range recorded.Requests {
		seen, bodies = nil, nil
		answer, _ := raw(t, f.URL, want.Send)
		if answer.StatusCode != want.Status {
			t.Errorf("%s: status %d, want %d", want.Send, answer.StatusCode, want.Status)
		}
		if want.Answer != nil && want.Status < 500 { // the texts of errors are our own
			maps.Copy(want.Answer, differs[recorded.Name].answer)
			for _, name := range []string{"Date", "Connection"} { // of this server
				answer.Header.Del(name)
			}
			if diff := cmp.Diff(want.Answer, answer.Header, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: headers of the answer (-want +got):\n%s", want.Send, diff)
			}
		}
		if want.Saw == "" || len(seen) != 1 {
			if len(seen) > 0 || want.Saw != "" {
				t.Errorf("%s: the target got %d requests, want %q", want.Send, len(seen), want.Saw)
			}
			continue
		}
		compare(t, want.Send, want.Saw, want.Headers, want.Body, seen[0], bodies[0], host)
	}
}

// compare compares what a target got with what it should have got.
func compare(t *testing.T, sent, first string, header http.Header, body string, got *http.Request, gotBody, host string) {
	t.Helper()
	if line := got.Method + " " + got.RequestURI; line != first || gotBody != body {
		t.Errorf("%s: the target got %q with the body %q, want %q with %q", sent, line, gotBody, first, body)
	}
	headers := got.Header.Clone()
	headers["Host"] = []string{strings.ReplaceAll(got.Host, host, "TARGET")}
	for name, values := range headers {
		headers[name] = []string{strings.Join(values, ", ")} // as Node joins them
	}
	if got.TransferEncoding != nil {
		headers["Transfer-Encoding"] = got.TransferEncoding
	}
	if headers.Get("Content-Length") == "0" {
		headers.Del("Content-Length")
	}
	if diff := cmp.Diff(header, headers); diff != "" {
		t.Errorf("%s: headers of the request (-want +got):\n%s", sent, diff)
	}
}
