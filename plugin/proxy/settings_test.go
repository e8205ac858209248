package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
	"github.com/understudy-host/understudy/plugin/proxy"
)

func TestAllProblemsAreReportedAtOnceWithTheirKeys(t *testing.T) {
	_, err := start(t, `
proxy:
  endpoints:
    /a: {target: 7, credentials: maybe-SECRET, changeOrigin: [], secure: 'no', allowedMethods: GET, allowedHeaders: [x, 1]}
    /b: {target: 'coder.SECRET', headers: {X-Ok: "a\nSECRET", 'bad name': x}, proxyTimeout: 0}
    /c: {target: 'http://x', pathRewrite: {'(': /, ok: /}, allowedHeaders: ['b c'], headers: text, proxyTimeout: 99999999}
    /d: {target: 'http://x', pathRewrite: [x]}
    /e: true
    /f/:id: http://x
    '/g h': http://x
    /h: {}
`, jane)
	if err == nil {
		t.Fatal("it starts")
	}
	var keys []string
	for line := range strings.Lines(err.Error()) {
		key, rest, _ := strings.Cut(strings.TrimPrefix(line, "config key '"), "' in 'app-config.yaml': ")
		if keys = append(keys, strings.TrimPrefix(key, "proxy.endpoints.")); rest == "" {
			t.Errorf("%q does not say where and what", line)
		}
	}
	want := []string{
		"/a.target", "/a.credentials", "/a.changeOrigin", "/a.secure", "/a.allowedMethods", "/a.allowedHeaders",
		"/b.target", "/b.headers.X-Ok", "/b.headers.bad name", "/b.proxyTimeout",
		"/c.allowedHeaders", "/c.headers", "/c.pathRewrite.(", "/c.proxyTimeout", "/d.pathRewrite", "/e", "/f/:id", "/g h", "/h.target",
	}
	less := func(a, b string) bool { return a < b }
	if diff := cmp.Diff(want, keys, sorted(less)); diff != "" {
		t.Errorf("keys (-want +got):\n%s\n%v", diff, err)
	}
	if strings.Contains(err.Error(), "SECRET") {
		t.Errorf("values are repeated: %v", err)
	}
}

func TestInvalidEndpointsAreSkippedOnlyIfConfigured(t *testing.T) {
	const bad = "/bad: {target: 7}, /good: {target: 'http://x', credentials: maybe}, /fine: 'http://x'"
	if _, err := start(t, "proxy: {endpoints: {"+bad+"}}", jane); err == nil {
		t.Error("it starts")
	}
	f := serve(t, "proxy: {skipInvalidProxies: true, endpoints: {"+bad+"}}", jane)
	for _, route := range []string{"/bad", "/good"} {
		if n := f.logs.FilterMessageSnippet("skipped configuring " + route + " due to config key 'proxy.endpoints." + route).Len(); n != 1 {
			t.Errorf("%d warnings of %s", n, route)
		}
	}
	if n := f.logs.FilterMessage("proxy endpoint configured").Len(); n != 1 {
		t.Errorf("%d endpoints", n)
	}
}

func TestOptionsOfTheMiddlewareThatHaveNoEffectAreWarnedOf(t *testing.T) {
	f := serve(t, endpoint("http://user:pass-word@x", ", xfwd: true, router: {}, ws: true, logLevel: debug"), jane)
	var warnings []string
	for _, entry := range f.logs.All() {
		if entry.Level.String() == "warn" {
			warnings = append(warnings, entry.Message)
		}
		if strings.Contains(entry.Message, "pass-word") {
			t.Errorf("the log shows a password: %s", entry.Message)
		}
	}
	if diff := cmp.Diff([]string{
		"the user in proxy.endpoints./coder.target has no effect: set the header Authorization",
		"proxy.endpoints./coder.router has no effect here", "proxy.endpoints./coder.xfwd has no effect here",
	}, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestRouteWithoutASlashIsTakenForOneWithIt(t *testing.T) {
	address := target(t, func(http.ResponseWriter, *http.Request) {})
	f := serve(t, "proxy: {endpoints: {coder/: '"+address+"'}}", jane)
	if answer, _ := raw(t, f.URL, "GET /api/proxy/coder/x"); answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
	if f.logs.FilterMessageSnippet("it is taken for '/coder'").Len() != 1 {
		t.Error("there is no warning")
	}
}

// The log redactor learns secrets from the visibility of the schema. A request that repeats them shows whether they are known.
func TestSecretHeadersAreNotLogged(t *testing.T) {
	const config = `proxy: {endpoints: {/coder: {target: 'http://127.0.0.1:1', credentials: dangerously-allow-unauthenticated, headers: {
		Authorization: 'Bearer value-of-authorization', x-api-key: value-of-x-api-key, PRIVATE-TOKEN: value-of-private-token,
		Cookie: value-of-cookie, X-Client-Secret: value-of-client-secret, X-Password: value-of-password, X-Custom-Source: backstage}}}}`
	h := plugintest.OpenOptions(t, config, host.Options{Plugins: []plugin.Plugin{proxy.Plugin()}})
	for _, secret := range []string{"authorization", "x-api-key", "private-token", "cookie", "client-secret", "password"} {
		r, _ := http.NewRequest(http.MethodGet, h.URL()+"/api/proxy/coder/of-"+secret+"/value-of-"+secret, nil)
		r.Header.Set("User-Agent", "backstage Bearer value-of-"+secret)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = read(t, answer)
		h.Log.Wait(t, "of-"+secret)
	}
	if log := h.Log.String(); strings.Contains(log, "value-of-") || !strings.Contains(log, "backstage") {
		t.Errorf("secrets are in the log, or what is none is not:\n%s", log)
	}
}

func TestCallersWithoutCredentialsAreRefused(t *testing.T) {
	served := 0
	address := target(t, func(http.ResponseWriter, *http.Request) { served++ })
	config := "proxy: {endpoints: {/default: '" + address + "', /require: {target: '" + address + "', credentials: require}, " +
		"/forward: {target: '" + address + "', credentials: forward}, /open: {target: '" + address + "', credentials: dangerously-allow-unauthenticated}, " +
		"/open/not: {target: '" + address + "'}}}\n"
	service := backstageauth.Principal{Kind: backstageauth.Service, Subject: "plugin:catalog"}
	for path, want := range map[string]int{
		"/default/x": 401, "/require/x": 401, "/forward/x": 401, "/open/x": 200, "/nope": 401, "": 401, "/open/not/x": 200,
	} {
		answer, body := raw(t, serve(t, config, backstageauth.Principal{}).URL, "GET /api/proxy"+path)
		if answer.StatusCode != want || want == 401 && !strings.Contains(body, `"name":"AuthenticationError","message":"Missing credentials"`) {
			t.Errorf("%s: %s %s, want %d", path, answer.Status, body, want)
		}
		for _, caller := range []backstageauth.Principal{jane, service} {
			answer, _ := raw(t, serve(t, config, caller).URL, "GET /api/proxy"+path)
			if got := answer.StatusCode; got != 200 && (path != "/nope" && path != "" || got != 404) {
				t.Errorf("%s, with credentials: %s", path, answer.Status)
			}
		}
	}
	disabled := serve(t, config+"backend: {auth: {dangerouslyDisableDefaultAuthPolicy: true}}\n", backstageauth.Principal{})
	if answer, _ := raw(t, disabled.URL, "GET /api/proxy/require/x"); answer.StatusCode != http.StatusOK {
		t.Errorf("without the default policy: %s", answer.Status)
	}
	if served != 2+2*5+1 {
		t.Errorf("the targets got %d requests", served)
	}
}

func TestTargetsCertificateIsCheckedUnlessConfigured(t *testing.T) {
	for _, test := range []struct {
		more   string
		status int
	}{{"", 502}, {", secure: true", 502}, {", secure: false", 200}} {
		f := serve(t, endpoint(secure(t), test.more), jane)
		if answer, _ := raw(t, f.URL, "GET /api/proxy/coder/x"); answer.StatusCode != test.status {
			t.Errorf("%q: %s", test.more, answer.Status)
		}
	}
}

func TestRewriteThatTakesTooLongIsGivenUp(t *testing.T) {
	f := serve(t, endpoint("http://127.0.0.1:1", ", pathRewrite: {'^/api/proxy/coder/(a+)+$': /}"), jane)
	answer, body := raw(t, f.URL, "GET /api/proxy/coder/"+strings.Repeat("a", 60)+"b")
	if answer.StatusCode != http.StatusInternalServerError || body != "Error occurred while trying to proxy: the path cannot be rewritten" {
		t.Errorf("%s %q", answer.Status, body)
	}
	if f.logs.FilterMessage("a pathRewrite takes too long").Len() != 1 {
		t.Error("it is not in the log")
	}
}

// In a whole host, with tokens: the plugin asks for them itself, in every spelling of a path.
func TestRequireTakesTokensThatTheHostAccepts(t *testing.T) {
	var authorization string
	address := target(t, func(_ http.ResponseWriter, r *http.Request) { authorization = r.Header.Get("Authorization") })
	h := plugintest.Open(t, "proxy: {endpoints: {/require: '"+address+"', /forward: {target: '"+address+"', credentials: forward}, "+
		"/open: {target: '"+address+"', credentials: dangerously-allow-unauthenticated}}}\n"+
		"backend: {auth: {externalAccess: [{type: static, options: {token: token-of-a-script, subject: script}}]}}\n", proxy.Plugin())
	const accepted = "Authorization: Bearer token-of-a-script\r\n"
	for _, test := range []struct {
		path, header string
		status       int
		passed       string
	}{
		{"/require/x", "", 401, ""},
		{"/REQUIRE/x", "", 401, ""},
		{"//require/x", "", 401, ""},
		{"/open%2f..%2frequire/x", "", 401, ""},
		{"/open/../require/x", "", 400, ""},
		{"/require/../open/x", "", 401, ""},
		{"/require/x", "Authorization: Bearer another-token-of-a-script\r\n", 401, ""},
		{"/require/x", accepted, 200, ""},
		{"/forward/x", accepted, 200, "Bearer token-of-a-script"},
		{"/forward/x", "Authorization: Bearer another-token\r\n", 401, ""},
		{"/open/x", "Authorization: Bearer another-token\r\n", 200, ""},
		{"/nope/x", accepted, 404, ""},
		{"/nope/x", "", 401, ""},
	} {
		authorization = ""
		answer, _ := raw(t, h.URL(), "GET /api/proxy"+test.path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+test.header+"\r\n")
		if answer.StatusCode != test.status || authorization != test.passed {
			t.Errorf("%s with %q: %s, the target got %q", test.path, test.header, answer.Status, authorization)
		}
	}
}
