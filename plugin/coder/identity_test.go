package coder

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// signing starts the plugin with a Node backend that issues identities. change changes the configuration.
func signing(t testing.TB, change ...string) (*backend, *fakeNode) {
	t.Helper()
	coder, node := newFakeCoder(t), newFakeNode(t)
	return start(t, coder, func(base string) string {
		return strings.NewReplacer(change...).Replace(node.relayed(config(base, coder.URL, providers(coder.URL))))
	}), node
}

// issued is the identity that the fake issues as the nth one.
func issued(n int) string {
	return fmt.Sprintf(`{"expiresInSeconds":%d,"identity":{"userEntityRef":"user:default/wren"},"token":"token-of-node-%d"}`, 3600-n, n)
}

func identityOf(t testing.TB, answer response) string {
	t.Helper()
	var got struct{ BackstageIdentity json.RawMessage }
	if err := json.Unmarshal([]byte(answer.body), &got); answer.StatusCode != 200 || err != nil {
		t.Fatalf("status %d: %s", answer.StatusCode, answer.body)
	}
	return string(got.BackstageIdentity)
}

// TestIdentityIsAskedForAnewEachTime, also if the access token is one that was given before. Its expiry is Node's.
func TestIdentityIsAskedForAnewEachTime(t *testing.T) {
	b, node := signing(t)
	br := b.browser(t)
	said := br.signIn("development")
	if got := string(said.Messages[1].Data.Response.BackstageIdentity); got != issued(1) || said.token() == "" {
		t.Fatalf("the popup posts %s and %q", got, said.failure())
	}
	asked := len(b.coder.seen("/oauth2/tokens"))
	for n := 2; n < 4; n++ {
		answer := br.refresh("development")
		if got := identityOf(t, answer); got != issued(n) {
			t.Errorf("refresh: %s, want %s", got, issued(n))
		}
		// Nothing else of Node's answer.
		if strings.Contains(answer.body, "access-token-of-node") || strings.Contains(fmt.Sprint(answer.Header), "of-node") {
			t.Errorf("%s %v", answer.body, answer.Header)
		}
		if answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control %s", answer.Header.Get("Cache-Control"))
		}
	}
	if len(b.coder.seen("/oauth2/tokens")) != asked {
		t.Error("Coder's access token was renewed")
	}
	if got := identityOf(t, br.refresh("development&scope=new")); got != issued(4) || len(b.coder.seen("/oauth2/tokens")) != asked+1 {
		t.Errorf("with a new access token: %s", got)
	}
	handles := map[string]bool{}
	for _, handle := range node.seen() {
		handles[handle] = true
	}
	if len(handles) != 4 {
		t.Errorf("%d different handles for 4 identities", len(handles))
	}
}

func TestOnlyEnvironmentsWithSignInHaveIdentities(t *testing.T) {
	b, node := signing(t)
	br := b.browser(t)
	if said := br.signIn("staging"); said.token() == "" || said.Messages[1].Data.Response.BackstageIdentity != nil {
		t.Errorf("staging: %+v", said)
	}
	if got := identityOf(t, br.refresh("staging")); got != "" {
		t.Errorf("staging: %s", got)
	}
	if said := br.get("/oauth/callback?code=" + b.coder.code("") + "&state=" + legacyState).posted(t); said.token() == "" {
		t.Errorf("the legacy frontend: %q", said.failure())
	}
	if n := len(node.seen()); n != 0 {
		t.Errorf("the Node backend was asked %d times", n)
	}
}

// TestRefusalOfTheNodeBackendIsGivenToTheUser as Backstage gives it, and the session at Coder goes on.
func TestRefusalOfTheNodeBackendIsGivenToTheUser(t *testing.T) {
	b, node := signing(t)
	b.coder.set(func(f *fakeCoder) { f.me = failing(200, `{"id":"2","username":"nobody"}`) })
	br := b.browser(t)
	page := br.signInPage("development")
	if said := page.posted(t); said.failure() != "Error: "+unresolved || said.to() != appURL {
		t.Errorf("the app gets %q", said.failure())
	}
	if text := page.visible(); !strings.Contains(text, unresolved) || !strings.Contains(text, "You are signed in to Coder, but not to Backstage") {
		t.Errorf("the popup shows %q", text)
	}
	answer := br.refresh("development")
	want := `{"error":{"name":"AuthenticationError","message":"Refresh failed; caused by Error: ` + unresolved + `","cause":{"name":"Error","message":"` + unresolved + `"}}`
	if answer.StatusCode != 401 || !strings.HasPrefix(answer.body, want) {
		t.Errorf("refresh: status %d: %s", answer.StatusCode, answer.body)
	}
	callback, _ := br.begin("/start?env=development&flow=redirect&redirectUrl=" + url.QueryEscape(appURL+"/catalog"))
	if to := br.get(callback).Header.Get("Location"); to != appURL+"/catalog?error="+url.QueryEscape(unresolved) {
		t.Errorf("a redirect flow leads to %s", to)
	}
	// Now the catalog knows them.
	b.coder.set(func(f *fakeCoder) { f.me = nil })
	asked := len(b.coder.seen("/oauth2/tokens"))
	if got := identityOf(t, br.refresh("development")); got != issued(1) || len(b.coder.seen("/oauth2/tokens")) != asked {
		t.Errorf("afterwards: %s", got)
	}
	if n := len(node.seen()); n != 4 {
		t.Errorf("the Node backend was asked %d times", n)
	}
}

// TestNodeBackendThatFailsKeepsTheSessionAtCoder, with the tokens that Coder has just rotated.
func TestNodeBackendThatFailsKeepsTheSessionAtCoder(t *testing.T) {
	tests := map[string]struct {
		fail   func(http.ResponseWriter, *http.Request) bool
		status int
		name   string
		want   string
	}{
		"down": {hangUp, 502, "BadGatewayError", "cannot be reached"},
		"HTML": {htmlPage, 502, "BadGatewayError", "gave an answer that is not understood"},
		"500":  {failing(500, upstreamProse), 502, "BadGatewayError", "gave an answer that is not understood"},
		"huge": {huge, 502, "BadGatewayError", "gave an answer that is not understood"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return true
		}, 502, "BadGatewayError", "gave an answer that is not understood"},
	}
	for name, test := range tests {
		b, node := signing(t, "oauth: {", "oauth: {rotateAfter: '0s', ")
		node.set(test.fail)
		br := b.browser(t)
		text := "Failed to sign in to Backstage, its backend " + test.want
		if said := br.signIn("development"); said.failure() != "Error: "+text {
			t.Errorf("%s: the app gets %q", name, said.failure())
		}
		before := br.cookie("/refresh", refreshCookie)
		answer := br.refresh("development")
		if answer.StatusCode != test.status || !strings.HasPrefix(answer.body, `{"error":{"name":"`+test.name+`","message":"Refresh failed; caused by Error: `+text+`"`) {
			t.Errorf("%s: status %d: %s", name, answer.StatusCode, answer.body)
		}
		if after := br.cookie("/refresh", refreshCookie); before == "" || after == "" || after == before {
			t.Errorf("%s: the rotated token is lost: %q after %q", name, after, before)
		}
		node.set(nil)
		if got := identityOf(t, br.refresh("development")); got != issued(1) {
			t.Errorf("%s, afterwards: %s", name, got)
		}
	}
}

// TestIdentityIsNotWaitedForTooLong: the server ends an answer after a minute, and with it the cookies would be lost.
func TestIdentityIsNotWaitedForTooLong(t *testing.T) {
	b, node := signing(t)
	h := b.handler.(*handler)
	e := h.environments["development"]
	late := &request{began: time.Now().Add(-answerTime)}
	_, err := h.sessionFor(t.Context(), late, e, &upstream.Tokens{}, &upstream.Profile{Username: "wren"})
	if got := apierror.From(err).Status; got != http.StatusGatewayTimeout || len(node.seen()) != 0 {
		t.Errorf("status %d after %d requests", got, len(node.seen()))
	}
}

// TestNothingOfABrowserIsAHandle, nor is a handle anything in a browser.
func TestNothingOfABrowserIsAHandle(t *testing.T) {
	b, node := signing(t)
	br := b.browser(t)
	token := br.signIn("development").token()
	br.begin("/start?env=development")
	values := []string{token}
	for _, path := range []string{"/refresh", "/handler/frame", "/start"} {
		at, _ := url.Parse(b.URL + "/api/auth/coder" + path)
		for _, c := range br.Jar.Cookies(at) {
			values = append(values, c.Value)
		}
	}
	if len(values) < 10 {
		t.Fatalf("%d values", len(values))
	}
	for _, value := range values {
		if status, _ := node.exchange(t.Context(), "backstage", relaySecret, value); status != 400 {
			t.Errorf("%q as a handle: status %d", value, status)
		}
	}

	// A handle that nobody has used yet.
	node.set(func(w http.ResponseWriter, _ *http.Request) bool { return htmlPage(w, nil) })
	br.refresh("development")
	handle := node.seen()[len(node.seen())-1]
	asked := len(b.coder.seen("/oauth2/tokens")) + len(b.coder.seen("/oauth2/revoke"))
	for _, name := range []string{refreshCookie, accessCookie, bindingCookie, plainBinding, nonceCookie, refreshCookie + "-0"} {
		answer := b.browser(t).refresh("development", "Cookie", name+"="+handle)
		if answer.StatusCode != 401 || !strings.Contains(answer.body, "Missing session cookie") {
			t.Errorf("a handle as %s: status %d: %s", name, answer.StatusCode, answer.body)
		}
		b.browser(t).logout("development", "Cookie", name+"="+handle)
	}
	if n := len(b.coder.seen("/oauth2/tokens")) + len(b.coder.seen("/oauth2/revoke")); n != asked {
		t.Errorf("Coder has seen a handle, %d times", n-asked)
	}
	if status, _ := node.exchange(t.Context(), "backstage-staging", relaySecret, handle); status == 200 {
		t.Error("another environment's client got a token for the handle")
	}
	if status, _ := node.exchange(t.Context(), "backstage", clientSecret, handle); status != 401 {
		t.Errorf("with Coder's secret: status %d", status)
	}
	if status, _ := node.exchange(t.Context(), "backstage", relaySecret, handle); status != 200 {
		t.Errorf("the handle itself: status %d", status)
	}
}

// TestBorrowedKeysSealNoHandle: Backstage's keys are known to others.
func TestBorrowedKeysSealNoHandle(t *testing.T) {
	const own, borrowed = "session: {keys: [0123456789abcdef0123456789abcdef]}", "auth:\n  session: {secret: 0123456789-0123456789-0123456789}\n"
	for name, test := range map[string]struct {
		change []string
		status int // of one backend's handle at another
	}{
		"own":      {nil, 200},
		"borrowed": {[]string{own, "x: {}", "auth:\n", borrowed}, 400},
		"random":   {[]string{own, "x: {}"}, 400},
	} {
		one, oneNode := signing(t, test.change...)
		_, twoNode := signing(t, test.change...)
		oneNode.set(func(w http.ResponseWriter, _ *http.Request) bool { return htmlPage(w, nil) })
		one.browser(t).signIn("development")
		if status, _ := twoNode.exchange(t.Context(), "backstage", relaySecret, oneNode.seen()[0]); status != test.status {
			t.Errorf("%s keys: status %d, want %d", name, status, test.status)
		}
		if status, _ := oneNode.exchange(t.Context(), "backstage", relaySecret, oneNode.seen()[0]); status != 200 {
			t.Errorf("%s keys, its own: status %d", name, status)
		}
	}
}

func TestSignInSaysWhatIsMissing(t *testing.T) {
	const app = "app: {baseUrl: 'https://app.example'}\n"
	const provider = "{clientId: a, clientSecret: " + clientSecret + ", deploymentUrl: 'https://coder.example', signIn: {resolvers: []}}"
	const keys = "understudy: {identity: {target: 'http://localhost:7008', clientSecret: "
	tests := map[string]struct{ yaml, warning, err string }{
		"no keys": {"", "auth.providers.coder.one.signIn has no effect without understudy.identity.target and understudy.identity.clientSecret: " +
			"no Backstage identity is issued here, the session is for access to Coder", ""},
		"no secret":          {"understudy: {identity: {target: 'http://localhost:7008'}}", "", "Missing required config value at 'understudy.identity.clientSecret'"},
		"no target":          {"understudy: {identity: {clientSecret: " + relaySecret + "}}", "", "Missing required config value at 'understudy.identity.target'"},
		"Coder's secret":     {keys + clientSecret + "}}", "", "'understudy.identity.clientSecret' in 'app-config.yaml': this is a secret of something else"},
		"the session's key":  {"understudy: {session: {keys: [" + relaySecret + "]}, identity: {target: 'http://localhost:7008', clientSecret: " + relaySecret + "}}", "", "this is a secret of something else"},
		"all":                {keys + relaySecret + "}}", "", ""},
		"this backend's own": {strings.Replace(keys, "localhost:7008", "backend.example", 1) + relaySecret + "}}", "", "this is the address of this backend itself"},
	}
	for name, test := range tests {
		s, err := read(t, app+"auth: {environment: one, providers: {coder: {one: "+provider+"}}}\n"+test.yaml)
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(s.warnings, "\n"); got != test.warning {
			t.Errorf("%s: warnings %q", name, got)
		}
		if name == "all" && (s.identity == nil || s.identity.Clients["one"] != "a") {
			t.Errorf("%s: %+v", name, s.identity)
		}
	}
	s, err := read(t, app+"auth: {environment: one, providers: {coder: {one: "+provider+", two: "+provider+"}}}\n"+keys+relaySecret+"}}")
	if err != nil || len(s.warnings) != 1 || !strings.Contains(s.warnings[0], "share a clientId") {
		t.Errorf("one client for two environments: %v, %v", s.warnings, err)
	}
	s, err = read(t, app+"coder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b}}\n"+keys+relaySecret+"}}")
	if err != nil || s.identity != nil || len(s.warnings) != 1 || !strings.Contains(s.warnings[0], "understudy.identity has no effect") {
		t.Errorf("without a signIn: %v, %v", s.warnings, err)
	}
}

// TestInternalListenerFollowsAReload in a real host: its address, its secret, and whether there is one.
func TestInternalListenerFollowsAReload(t *testing.T) {
	coder, node, other := newFakeCoder(t), newFakeNode(t), newFakeNode(t)
	plain := "coder: {oauth: {clientId: backstage, clientSecret: " + clientSecret + "}, deployment: {accessUrl: " + coder.URL + "}}\n" +
		"understudy: {session: {keys: [0123456789abcdef0123456789abcdef]}}\n" + providers(coder.URL)
	h := plugintest.Open(t, node.relayed(plain), Plugin())
	check := func(when string, n *fakeNode, secret string, want int) {
		t.Helper()
		// A client that is refused has another status than a handle that is.
		if status, _ := n.exchange(t.Context(), "backstage", secret, "no handle"); status != want {
			t.Errorf("%s: status %d, want %d", when, status, want)
		}
	}
	// The line that says when the change has its effect. Which of two lines comes first is not certain.
	reload := func(yaml, until string) {
		t.Helper()
		h.Write(yaml)
		h.Log.Wait(t, until)
	}
	const changed = "another-secret-0123456789-0123456789"
	check("at the start", node, relaySecret, 400)
	reload(strings.ReplaceAll(node.relayed(plain), relaySecret, changed), `the changed config is in use changed=["understudy.identity.clientSecret"]`)
	check("a new secret, the old one", node, relaySecret, 401)
	check("a new secret", node, changed, 400)
	reload(strings.ReplaceAll(node.relayed(plain), relaySecret, "short"), "expected at least 32")
	check("a config that is refused", node, changed, 400)
	taken := strings.TrimPrefix(coder.URL, "http://")
	reload(strings.ReplaceAll(node.relayed(plain), node.listener, taken), `notInUse=["plugin coder: it has an error"]`)
	check("an address that is taken", node, changed, 400)
	reload(other.relayed(plain), "internal listener closed")
	check("another address, the old one", node, relaySecret, 0)
	check("another address", other, relaySecret, 400)
	reload(plain, "internal listener closed")
	check("the keys removed", other, relaySecret, 0)
	reload(node.relayed(plain), "internal listener for the Node backend")
	check("the keys again", node, relaySecret, 400)
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	check("a host that has stopped", node, relaySecret, 0)
	if strings.Contains(h.Log.String(), relaySecret) {
		t.Error("the secret is in the log")
	}
}

// TestDocumentedConfigFitsTogether: what docs/coder.md gives to the two backends.
func TestDocumentedConfigFitsTogether(t *testing.T) {
	text, err := os.ReadFile("../../docs/coder.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Sign in to Backstage with Coder\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for block := range strings.SplitSeq(section, "\n\n") {
		if strings.HasPrefix(block, "    ") {
			blocks = append(blocks, os.Expand(block, func(name string) string { return "the-value-of-" + name + "-0123456789" }))
		}
	}
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of YAML, expected one for each backend", len(blocks))
	}
	env, _ := plugintest.Environment(t, Plugin(), "app: {baseUrl: 'https://app.example'}\nbackend: {baseUrl: 'https://backend.example'}\n"+strings.ReplaceAll(blocks[0][4:], "\n    ", "\n"))
	s, err := readSettings(env.Config, "https://backend.example/api/auth/coder")
	if err != nil || s.identity == nil || len(s.warnings) != 0 {
		t.Fatalf("this backend: %+v, %v, %q", s, err, s.warnings)
	}
	node := plugintest.Config(t, strings.ReplaceAll(blocks[1][4:], "\n    ", "\n"))
	const at = "auth.providers.coder.production."
	for key, want := range map[string]string{
		"backend.listen": strings.TrimPrefix(s.identity.Target, "http://"), "auth.environment": s.mainEnv,
		at + "clientId": s.byEnv["production"].ClientID, at + "clientSecret": s.identity.Secret, at + "deploymentUrl": s.identity.URL(),
	} {
		if got, err := node.GetString(key); err != nil || got != want {
			t.Errorf("the Node backend's %s is %q, want %q: %v", key, got, want, err)
		}
	}
	if resolvers, err := node.GetConfigArray(at + "signIn.resolvers"); err != nil || len(resolvers) != 1 || s.identity.Secret == s.byEnv["production"].ClientSecret {
		t.Errorf("resolvers: %v; secret %q", err, s.identity.Secret)
	}
}
