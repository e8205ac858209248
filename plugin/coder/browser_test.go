package coder

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/plugin/plugintest"
)

// suite collects what all tests of this package logged and answered, and is searched for secrets at the end.
var suite struct {
	sync.Mutex
	logs  []*observer.ObservedLogs
	found []string
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, logs := range suite.logs {
		for _, entry := range logs.All() {
			text := entry.Message + " " + fmt.Sprint(entry.ContextMap())
			for _, secret := range []string{clientSecret, relaySecret, accessPrefix, refreshPrefix, codePrefix, upstreamProse, "6e6f6e63653d"} {
				if strings.Contains(text, secret) {
					suite.found = append(suite.found, "log line: "+text)
				}
			}
		}
	}
	for _, found := range suite.found {
		fmt.Println("a secret leaked:", found)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// backend is the plugin behind a server, as the host mounts it.
type backend struct {
	*httptest.Server
	handler http.Handler
	logs    *observer.ObservedLogs
	coder   *fakeCoder
}

const appURL = "http://app.example:3000"

// config is a configuration for both frontends; extra is appended to it.
func config(base, deployment, extra string) string {
	return fmt.Sprintf(`
app: {baseUrl: %q}
backend: {baseUrl: %q}
understudy: {session: {keys: [0123456789abcdef0123456789abcdef]}}
coder:
  deployment: {accessUrl: %q}
  oauth: {clientId: backstage, clientSecret: %q}
%s`, appURL, base, deployment, clientSecret, extra)
}

// providers configures two environments at one deployment.
func providers(deployment string) string {
	return fmt.Sprintf(`
auth:
  environment: development
  experimentalExtraAllowedOrigins: ['https://*.preview.example', 'https://other.example']
  providers:
    coder:
      development: {clientId: backstage, clientSecret: %q, deploymentUrl: %q}
      staging: {clientId: backstage-staging, clientSecret: %q, deploymentUrl: %q, additionalScopes: [a, b], sessionDuration: {hours: 24}}
`, clientSecret, deployment, clientSecret, deployment)
}

// start runs the plugin with a configuration made for the server's address.
func start(t testing.TB, coder *fakeCoder, yaml func(base string) string) *backend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{coder: coder}
	ctx, cancel := context.WithCancel(context.Background())
	env, logs := plugintest.Environment(t, Plugin(), yaml("http://"+listener.Addr().String()))
	b.logs = logs
	if b.handler, err = Plugin().New(ctx, env); err != nil {
		t.Fatal(err)
	}
	b.Server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: recorded(http.StripPrefix("/api/auth/coder", b.handler))}}
	b.Start()
	t.Cleanup(func() { b.Close(); cancel() })
	suite.Lock()
	suite.logs = append(suite.logs, logs)
	suite.Unlock()
	return b
}

// both starts the plugin with both frontends configured.
func both(t testing.TB) *backend {
	t.Helper()
	coder := newFakeCoder(t)
	return start(t, coder, func(base string) string { return config(base, coder.URL, providers(coder.URL)) })
}

// rotating is both with a configuration in which each refresh gets new tokens.
func rotating(t testing.TB) *backend {
	t.Helper()
	coder := newFakeCoder(t)
	return start(t, coder, func(base string) string {
		return strings.Replace(config(base, coder.URL, providers(coder.URL)), "oauth: {", "oauth: {rotateAfter: '0s', ", 1)
	})
}

// legacyOnly starts the plugin with the legacy spelling, which serves both frontends.
func legacyOnly(t testing.TB) *backend {
	t.Helper()
	coder := newFakeCoder(t)
	return start(t, coder, func(base string) string { return config(base, coder.URL, "") })
}

// bridge is the path that a legacy frontend opens at the bridge.
func (b *backend) bridge() string {
	return "/oauth2/authorize?client_id=backstage&response_type=code&redirect_uri=" + url.QueryEscape(b.URL+"/api/auth/coder/oauth/callback")
}

// impatient is a replica of b that waits for Coder at most 200 ms.
func (b *backend) impatient(t testing.TB) *backend {
	t.Helper()
	return start(t, b.coder, func(string) string {
		return strings.Replace(config(b.URL, b.coder.URL, providers(b.coder.URL)), "oauth: {", "oauth: {rotateAfter: '0s', timeout: 200ms, ", 1)
	})
}

// recorded searches every answer for what must never be in one.
func recorded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		body := recorder.Body.String()
		secrets := []string{clientSecret, relaySecret, refreshPrefix, codePrefix}
		if recorder.Code != http.StatusOK {
			secrets = append(secrets, accessPrefix, upstreamProse)
		}
		for _, secret := range secrets {
			if strings.Contains(body, secret) {
				suite.Lock()
				suite.found = append(suite.found, "body of "+r.URL.Path+": "+body)
				suite.Unlock()
			}
		}
		maps.Copy(w.Header(), recorder.Header())
		w.WriteHeader(recorder.Code)
		if r.Method != http.MethodHead {
			_, _ = w.Write(recorder.Body.Bytes())
		}
	})
}

// browser is an http.Client with a cookie jar that does not follow redirects.
type browser struct {
	t testing.TB
	b *backend
	*http.Client
}

func (b *backend) browser(t testing.TB) *browser {
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, b, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// response is an answer whose body has been read.
type response struct {
	*http.Response
	body string
}

func (br *browser) do(method, path string, body io.Reader, headers ...string) response {
	br.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = br.b.URL + "/api/auth/coder" + path
	}
	request, err := http.NewRequest(method, path, body)
	if err != nil {
		br.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := br.Do(request)
	if err != nil {
		br.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		br.t.Fatal(err)
	}
	return response{answer, string(text)}
}

func (br *browser) get(path string, headers ...string) response {
	br.t.Helper()
	return br.do(http.MethodGet, path, nil, headers...)
}

func (br *browser) refresh(env string, headers ...string) response {
	br.t.Helper()
	return br.do(http.MethodPost, "/refresh?env="+env, nil, append(headers, "X-Requested-With", "XMLHttpRequest")...)
}

func (br *browser) logout(env string, headers ...string) response {
	br.t.Helper()
	return br.do(http.MethodPost, "/logout?env="+env, nil, append(headers, "X-Requested-With", "XMLHttpRequest")...)
}

// begin opens a sign-in and returns where Coder would send the browser back to, with a code.
func (br *browser) begin(path string, headers ...string) (callback, state string) {
	br.t.Helper()
	answer := br.get(path, headers...)
	if answer.StatusCode != http.StatusFound {
		br.t.Fatalf("%s: status %d: %s", path, answer.StatusCode, answer.body)
	}
	to, err := url.Parse(answer.Header.Get("Location"))
	if err != nil {
		br.t.Fatal(err)
	}
	query := to.Query()
	state = query.Get("state")
	back := query.Get("redirect_uri")
	return back + "?code=" + br.b.coder.code(query.Get("code_challenge")) + "&state=" + url.QueryEscape(state), state
}

// signInPage does a whole sign-in in a popup and returns its page.
func (br *browser) signInPage(env string) response {
	br.t.Helper()
	callback, _ := br.begin("/start?env=" + env)
	return br.get(callback)
}

// signIn does a whole sign-in in a popup and returns what its page posts to the app.
func (br *browser) signIn(env string) posted {
	br.t.Helper()
	return br.signInPage(env).posted(br.t)
}

// cookie is the value of a cookie that the browser would send to the plugin's path.
func (br *browser) cookie(path, name string) string {
	at, _ := url.Parse(br.b.URL + "/api/auth/coder" + path)
	for _, c := range br.Jar.Cookies(at) {
		if c.Name == name {
			value, _ := url.PathUnescape(c.Value)
			return value
		}
	}
	return ""
}

// flows counts the pending flows of the browser.
func (br *browser) flows() int {
	n, _ := br.flowCookies()
	return n
}

// flowCookies counts the pending flows of the browser and the bytes of their cookies.
func (br *browser) flowCookies() (n, size int) {
	at, _ := url.Parse(br.b.URL + "/api/auth/coder/start")
	for _, c := range br.Jar.Cookies(at) {
		if strings.HasPrefix(c.Name, stateCookie) {
			n, size = n+1, size+len(c.Name)+len(c.Value)
		}
	}
	return n, size
}
