package sandbox

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSecret = "coder_abcdefghij_secret"
	callback   = "http://localhost:7007/api/auth/coder/handler/frame"
)

// options are those of a sandbox on free ports.
func options() Options {
	return Options{
		CoderAddr: "localhost:0", DemoAddr: "localhost:0", BackendURL: "http://localhost:7007",
		Client: Client{ID: "backstage", Secret: testSecret, RedirectURIs: []string{
			callback, "http://localhost:7007/api/auth/coder/oauth/callback",
		}},
	}
}

// open starts a sandbox and closes it with the test.
func open(t *testing.T, o Options) *Sandbox {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		client.CloseIdleConnections()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client follows no redirects: they lead to a backend that is not there.
var client = &http.Client{
	Transport:     &http.Transport{},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       10 * time.Second,
}

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// is reports whether a has the status, and text in its body.
func (a answer) is(status int, text string) bool {
	return a.status == status && strings.Contains(a.body, text)
}

// send makes a request with the given headers, in pairs.
func send(t *testing.T, method, url, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func TestOpenRefuses(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	for name, test := range map[string]struct {
		env    string
		change func(*Options)
		want   []string // parts of the error, which has one line for each problem
	}{
		"production": {
			env: "production", change: func(*Options) {},
			want: []string{"NODE_ENV is production"},
		},
		"every interface": {
			change: func(o *Options) { o.CoderAddr = "0.0.0.0:0" },
			want:   []string{`"0.0.0.0:0" is not a loopback address`},
		},
		"no host": {
			change: func(o *Options) { o.DemoAddr = ":3000" },
			want:   []string{`":3000" is not a loopback address`},
		},
		"a name that only begins like localhost": {
			change: func(o *Options) { o.DemoAddr = "localhost.example:3000" },
			want:   []string{`"localhost.example:3000" is not a loopback address`},
		},
		"a taken address": {
			change: func(o *Options) { o.CoderAddr = strings.TrimPrefix(taken.URL, "http://") },
			want:   []string{"is in use; stop the other program or change coder.deployment.accessUrl", "cannot listen on 127.0.0.1:"},
		},
		"a taken address for the demo": {
			change: func(o *Options) { o.DemoAddr = strings.TrimPrefix(taken.URL, "http://") },
			want:   []string{"is in use; stop the other program or change app.baseUrl", "cannot listen on 127.0.0.1:"},
		},
		"an address without a port": {
			change: func(o *Options) { o.CoderAddr = "localhost" },
			want:   []string{`"localhost" is not a loopback address`, "expected localhost:<port>"},
		},
		"a backend URL that is none": {
			change: func(o *Options) { o.BackendURL = "localhost:7007" },
			want:   []string{`"localhost:7007" is not an http or https URL`},
		},
		"no redirect URI": {
			change: func(o *Options) { o.Client.RedirectURIs = nil },
			want:   []string{"needs an ID, a secret and a redirect URI"},
		},
		"no secret": {
			change: func(o *Options) { o.Client.Secret = "" },
			want:   []string{"needs an ID, a secret and a redirect URI"},
		},
		"a redirect URI that is none": {
			change: func(o *Options) { o.Client.RedirectURIs = []string{"javascript:alert(1)"} },
			want:   []string{`"javascript:alert(1)" is not an http or https URL`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NODE_ENV", test.env)
			o := options()
			test.change(&o)
			s, err := Open(o)
			if err == nil {
				_ = s.Close(t.Context())
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in the error: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), testSecret) {
				t.Errorf("the secret is in the error")
			}
		})
	}
}

func TestOpenListensOnBothFamilies(t *testing.T) {
	s := open(t, options())
	_, port, _ := strings.Cut(strings.TrimPrefix(s.CoderURL(), "http://"), ":")
	hosts := []string{"localhost", "127.0.0.1"}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil { // many containers have no IPv6
		_ = l.Close()
		hosts = append(hosts, "[::1]")
	}
	for _, host := range hosts {
		if got := send(t, "GET", "http://"+host+":"+port+"/", ""); got.status != 200 {
			t.Errorf("%s: %d", host, got.status)
		}
	}
}

func TestForeignHostIsRefused(t *testing.T) {
	s := open(t, options())
	for _, url := range []string{s.CoderURL(), s.DemoURL()} {
		got := send(t, "GET", url+"/", "", "Host", "rebound.example:7080")
		if got.status != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", url, got.status)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	s := open(t, options())
	for _, url := range []string{
		s.CoderURL() + "/", s.CoderURL() + "/nowhere", s.DemoURL() + "/", s.DemoURL() + "/demo.js",
	} {
		h := send(t, "GET", url, "").header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") ||
			!strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: Content-Security-Policy %q", url, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", url, h)
		}
	}
}
