package coder

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

func read(t *testing.T, yaml string) (*settings, error) {
	t.Helper()
	return readSettings(plugintest.Config(t, yaml), "http://backend.example/api/auth/coder")
}

func TestEachSpellingServesBothFrontends(t *testing.T) {
	const legacy = `coder: {deployment: {accessUrl: 'https://coder.example/'}, oauth: {clientId: old, clientSecret: s}}`
	const current = `auth: {environment: production, providers: {coder: {development: {clientId: dev, clientSecret: s, deploymentUrl: 'https://dev.example'},
  production: {clientId: prod, clientSecret: s, deploymentUrl: 'https://prod.example'}}}}`
	tests := map[string]struct{ yaml, legacyKey, legacyID, env, envID string }{
		"legacy":          {legacy, "coder.oauth", "old", "development", "old"},
		"legacy with env": {legacy + "\nauth: {environment: production}", "coder.oauth", "old", "production", "old"},
		"current":         {current, "auth.providers.coder.production", "prod", "production", "prod"},
		"both":            {legacy + "\n" + current, "coder.oauth", "old", "development", "dev"},
	}
	for name, test := range tests {
		s, err := read(t, "app: {baseUrl: 'https://app.example'}\n"+test.yaml)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.legacy.key != test.legacyKey || s.legacy.ClientID != test.legacyID || s.byEnv[test.env].ClientID != test.envID {
			t.Errorf("%s: legacy routes use %s of %s, environment %s uses %s", name, s.legacy.ClientID, s.legacy.key, test.env, s.byEnv[test.env].ClientID)
		}
		// What one spelling gives to both frontends has one callback URL. In both, these are two applications.
		frame, callback := "http://backend.example/api/auth/coder/handler/frame", "http://backend.example/api/auth/coder/oauth/callback"
		want := map[string][2]string{"legacy": {callback, callback}, "legacy with env": {callback, callback}, "current": {frame, frame}, "both": {callback, frame}}[name]
		if got := [2]string{s.legacy.CallbackURL, s.byEnv[test.env].CallbackURL}; got != want {
			t.Errorf("%s: callbacks %s and %s", name, s.legacy.CallbackURL, s.byEnv[test.env].CallbackURL)
		}
		if strings.HasSuffix(s.legacy.Deployment, "/") {
			t.Errorf("%s: deployment %s", name, s.legacy.Deployment)
		}
	}
}

// TestOneApplicationHasOneCallbackURL: Coder registers one.
func TestOneApplicationHasOneCallbackURL(t *testing.T) {
	const frame, callback = "http://backend.example/api/auth/coder/handler/frame", "http://backend.example/api/auth/coder/oauth/callback"
	app := func(more string) string {
		return "{clientId: a, clientSecret: b, deploymentUrl: 'https://coder.example'" + more + "}"
	}
	legacy := func(more string) string {
		return "\ncoder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b" + more + "}}"
	}
	const own = ", callbackUrl: '" + callback + "'"
	for name, test := range map[string]struct{ one, two, legacy, want string }{
		"default":               {app(""), app(""), "", frame},
		"default, both":         {app(""), app(""), legacy(""), frame},
		"one environment's":     {app(own), app(""), "", callback},
		"the other's":           {app(""), app(own), legacy(""), callback},
		"the legacy spelling's": {app(""), app(""), legacy(own), callback},
	} {
		s, err := read(t, "app: {baseUrl: 'https://app.example'}\nauth: {environment: one, providers: {coder: {one: "+test.one+", two: "+test.two+"}}}"+test.legacy)
		if err != nil {
			t.Fatal(err)
		}
		for where, got := range map[string]string{"one": s.byEnv["one"].CallbackURL, "two": s.byEnv["two"].CallbackURL, "legacy": s.legacy.CallbackURL} {
			if got != test.want {
				t.Errorf("%s: %s has %s", name, where, got)
			}
		}
	}
}

// TestAllProblemsAtOnce: each names the key, the layer, and what was expected.
func TestAllProblemsAtOnce(t *testing.T) {
	tests := map[string]struct {
		yaml string
		want []string
	}{
		"nothing": {"", []string{
			"Missing required config value at 'app.baseUrl' in 'app-config.yaml'",
			"Missing required config value at 'coder.oauth.clientId' in 'app-config.yaml'",
			"Missing required config value at 'coder.oauth.clientSecret' in 'app-config.yaml'",
			"Missing required config value at 'coder.deployment.accessUrl' in 'app-config.yaml'",
		}},
		"wrong": {`
app: {baseUrl: app.example}
understudy: {session: {keys: [short]}}
auth:
  experimentalExtraAllowedOrigins: [5]
  providers:
    coder:
      development: {clientId: '', deploymentUrl: 'ftp://x', sessionDuration: soon, callbackUrl: /here}
coder: {deployment: {accessUrl: 'https://u:p@coder.example'}, oauth: {clientId: a, clientSecret: 5, allowLegacyState: maybe, timeout: {fortnights: 1}}}`, []string{
			"'app.baseUrl' in 'app-config.yaml': the value is not an absolute http or https URL",
			"'understudy.session.keys' in 'app-config.yaml': key 1 has 5 characters, expected at least 32",
			"'auth.experimentalExtraAllowedOrigins[0]' in 'app-config.yaml', got number, wanted string-array",
			"'auth.providers.coder.development.clientId' in 'app-config.yaml', got empty-string, wanted string",
			"Missing required config value at 'auth.providers.coder.development.clientSecret' in 'app-config.yaml'",
			"'auth.providers.coder.development.deploymentUrl' in 'app-config.yaml': the value is not an absolute",
			"'auth.providers.coder.development.sessionDuration' in 'app-config.yaml': not a duration, expected",
			"'auth.providers.coder.development.callbackUrl' in 'app-config.yaml'",
			"'coder.deployment.accessUrl' in 'app-config.yaml': a user in a URL is refused, expected the URL of the Coder deployment",
			"'coder.oauth.clientSecret' in 'app-config.yaml', got number, wanted string",
			"'coder.oauth.allowLegacyState' in 'app-config.yaml'",
			"'coder.oauth.timeout' in 'app-config.yaml': unknown unit 'fortnights'",
		}},
		"passwords in URLs": {`
app: {baseUrl: 'ftp://u:s3cret@app.example'}
auth: {providers: {coder: {development: {clientId: a, clientSecret: b, deploymentUrl: 'https://u:s3cret%ZZ@x', callbackUrl: 'http://u:s3cret@a b'}}}}
coder: {deployment: {accessUrl: 'https://u:s3cret/@coder.example'}, oauth: {clientId: a, clientSecret: b}}`, []string{
			"'app.baseUrl' in 'app-config.yaml': a value with a user in it is not an absolute http or https URL",
			"'auth.providers.coder.development.deploymentUrl' in 'app-config.yaml': a value with a user in it",
			"'auth.providers.coder.development.callbackUrl' in 'app-config.yaml': a value with a user in it",
			"'coder.deployment.accessUrl' in 'app-config.yaml': a value with a user in it",
		}},
		"a timeout that outlasts the server's": {`
app: {baseUrl: 'https://app.example'}
coder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b, timeout: 90s}}`, []string{
			"'coder.oauth.timeout' in 'app-config.yaml': got 1m30s, expected at most 25s",
		}},
		"connections that outlast any balancer": {`
app: {baseUrl: 'https://app.example'}
coder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b, idleTimeout: 10m}}`, []string{
			"'coder.oauth.idleTimeout' in 'app-config.yaml': got 10m0s, expected at most 5m0s",
		}},
		"the bridge as its own deployment": {`
app: {baseUrl: 'https://app.example'}
coder: {deployment: {accessUrl: 'http://backend.example/api/auth/coder'}, oauth: {clientId: a, clientSecret: b}}`, []string{
			"Missing required config value at 'coder.oauth.deploymentUrl' in 'app-config.yaml'",
		}},
		"no environment": {`
app: {baseUrl: 'https://app.example'}
auth: {providers: {coder: {}}}`, []string{"'auth.providers.coder' in 'app-config.yaml': expected at least one environment"}},
	}
	for name, test := range tests {
		_, err := read(t, test.yaml)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in\n%v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: a secret in %v", name, err)
		}
	}
	env, _ := plugintest.Environment(t, Plugin(), "app: {baseUrl: 5}")
	if _, err := Plugin().New(context.Background(), env); err == nil {
		t.Error("New takes a wrong config")
	}
}

func TestLimitsOfCallsToCoder(t *testing.T) {
	const text = "app: {baseUrl: 'https://app.example'}\ncoder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b%s}}"
	for extra, want := range map[string]upstream.Options{
		"": {Timeout: 10 * time.Second, IdleTimeout: 5 * time.Second, MaxCalls: 100},
		", timeout: 3s, idleTimeout: {seconds: 1}, maxConcurrentCalls: 7": {Timeout: 3 * time.Second, IdleTimeout: time.Second, MaxCalls: 7},
	} {
		if s, err := read(t, strings.Replace(text, "%s", extra, 1)); err != nil || s.calls != want {
			t.Errorf("%q: %+v, %v", extra, s.calls, err)
		}
	}
	own, err := schema.Compile(schema.Source{PackageName: "coder", Path: "schema.json", Value: Plugin().Schema})
	if err != nil {
		t.Fatal(err)
	}
	for value, ok := range map[string]bool{"2": true, "10000": true, "1": false, "0": false, "10001": false, "2.5": false, "many": false} {
		err := own.Validate(plugintest.Config(t, strings.Replace(text, "%s", ", maxConcurrentCalls: "+value, 1)))
		if (err == nil) != ok {
			t.Errorf("maxConcurrentCalls: %s: %v", value, err)
		}
	}
}

func TestKeysComeFromWhatThereIs(t *testing.T) {
	const keys = "app: {baseUrl: 'https://app.example'}\ncoder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b}}\n"
	for name, test := range map[string]struct {
		yaml string
		n    int
	}{
		"own":                    {"understudy: {session: {keys: [0123456789abcdef0123456789abcdef, 1123456789abcdef0123456789abcdef]}}\nbackend: {auth: {keys: [{secret: x}]}}", 2},
		"backend":                {"backend: {auth: {keys: [{secret: MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0}]}}\nauth: {session: {secret: y}}", 1},
		"session":                {"auth: {session: {secret: x23456789012345678901234}}", 1},
		"short in base64":        {"backend: {auth: {keys: [{secret: MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM=}]}}", 0},
		"short":                  {"auth: {session: {secret: x2345678901234567890123}}", 0},
		"one of two":             {"backend: {auth: {keys: [{secret: letmein}, {secret: MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0}]}}", 1},
		"short, another is long": {"backend: {auth: {keys: [{secret: letmein}]}}\nauth: {session: {secret: x23456789012345678901234}}", 1},
		"none":                   {"", 0},
	} {
		s, err := read(t, keys+test.yaml)
		if err != nil || len(s.keys) != test.n {
			t.Errorf("%s: %d secrets, %v", name, len(s.keys), err)
		}
	}
	env, logs := plugintest.Environment(t, Plugin(), keys)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := Plugin().New(ctx, env); err != nil {
		t.Fatal(err)
	}
	if logs.FilterLevelExact(zap.WarnLevel).FilterMessageSnippet("understudy.session.keys").Len() != 1 {
		t.Error("no warning about random keys")
	}
}

func TestWarnings(t *testing.T) {
	s, err := read(t, `
app: {baseUrl: 'https://app.example'}
auth: {providers: {coder: {production: {clientId: a, clientSecret: b, deploymentUrl: 'https://coder.example',
  callbackUrl: 'https://elsewhere.example/api/auth/coder/handler/frame', signIn: {resolvers: [{resolver: usernameMatchingUserEntityName}]}}}}}`)
	if err != nil || len(s.warnings) != 3 || !strings.Contains(s.warnings[0], "callbackUrl") || !strings.Contains(s.warnings[1], "signIn") || !strings.Contains(s.warnings[2], "'development'") {
		t.Errorf("%v, %v", s, err)
	}
}

func TestOriginsThatMatchNothingAreWarnedAbout(t *testing.T) {
	s, err := read(t, `
app: {baseUrl: 'https://app.example'}
auth: {experimentalExtraAllowedOrigins: ['https://b.example', 'https://c.example/path', 'https://u:s3cret@d.example', 'https://*.example']}
coder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b}}`)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(s.warnings, "\n")
	if len(s.warnings) != 2 || !strings.Contains(got, "entry 2 of auth.experimentalExtraAllowedOrigins can match no origin: it has a path") ||
		!strings.Contains(got, "entry 3 of") || strings.Contains(got, "s3cret") {
		t.Errorf("warnings:\n%s", got)
	}
}

// What a sign-in may not come from gets no token either.
func TestExactOriginsAreThoseThatTheMatcherAllows(t *testing.T) {
	s, err := read(t, `
app: {baseUrl: 'https://app.example'}
auth: {experimentalExtraAllowedOrigins: ['https://b.example', 'https://C.example/', 'https://d.example/path', 'https://u@e.example', 'https://f.example:443', 'https://ä.example', 'https://*.g.example', 'https://B.example']}
coder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b}}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"https://app.example", "https://b.example"}, s.exactOrigins); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, o := range s.exactOrigins {
		if !s.allows(o) {
			t.Errorf("%s gets tokens, and may not sign in", o)
		}
	}
}

func TestUsersAreRefusedInEveryURL(t *testing.T) {
	const deployment, frame = "https://coder.example", "https://b.example/api/auth/coder/handler/frame"
	yaml := func(app, provider, callback, legacy string) string {
		return fmt.Sprintf(`
app: {baseUrl: '%s'}
auth: {providers: {coder: {production: {clientId: a, clientSecret: b, deploymentUrl: '%s', callbackUrl: '%s'}}}}
coder: {deployment: {accessUrl: '%s'}, oauth: {clientId: a, clientSecret: b}}`, app, provider, callback, legacy)
	}
	const user = "https://u:s3cret@x.example"
	for key, text := range map[string]string{
		"app.baseUrl": yaml(user, deployment, frame, deployment), "auth.providers.coder.production.deploymentUrl": yaml(deployment, user, frame, deployment),
		"auth.providers.coder.production.callbackUrl": yaml(deployment, deployment, user, deployment), "coder.deployment.accessUrl": yaml(deployment, deployment, frame, user),
	} {
		if _, err := read(t, text); err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), key+"' in 'app-config.yaml': a user in a URL is refused") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Two generations share the plugin's values, and so do two processes whose values are kept elsewhere: a reload of the code.
func TestSignInsOutliveAReload(t *testing.T) {
	coder := newFakeCoder(t)
	yaml := strings.Replace(config("http://localhost", coder.URL, providers(coder.URL)), "understudy:", "ignored:", 1)
	open := func(p plugin.Plugin, store *memo.Store) *handler {
		t.Helper()
		env, _ := plugintest.Environment(t, p, yaml)
		env.Memo = store
		h, err := p.New(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		return h.(*handler)
	}
	process := func(b memo.Backend) *memo.Store {
		return memo.New(b, func(name string, err error) { t.Errorf("%s: %v", name, err) })
	}
	var kept memo.Memory
	p, first := Plugin(), process(&kept)
	one, two, next := open(p, first), open(p, first), open(Plugin(), process(&kept))
	for name, h := range map[string]*handler{"the config": two, "the code": next} {
		if _, err := h.ring.Open(one.ring.Seal([]byte("x"), "c"), "c"); err != nil {
			t.Errorf("after a reload of %s with random keys: %v", name, err)
		}
		e := h.environments["development"]
		one.environments["development"].End(name)
		if !e.Ended(name) {
			t.Errorf("after a reload of %s a sign-out from before is not known", name)
		}
	}
	if one.environments["development"].Sessions != two.environments["development"].Sessions {
		t.Error("a tab that comes with a token that is just being rotated at a reload is signed out")
	}
	if one.environments["development"].Sessions == one.environments["staging"].Sessions {
		t.Error("environments share sessions")
	}
}

func TestReplicasShareSignIns(t *testing.T) {
	coder := newFakeCoder(t)
	one := start(t, coder, func(base string) string { return config(base, coder.URL, providers(coder.URL)) })
	other := start(t, coder, func(string) string { return config(one.URL, coder.URL, providers(coder.URL)) })
	br := one.browser(t)
	callback, _ := br.begin("/start?env=development")
	br.b = other
	there := strings.Replace(callback, one.URL, other.URL, 1) // cookies do not know ports
	if said := br.get(there).posted(t); said.token() == "" {
		t.Errorf("the other replica says %s", said.failure())
	}
	if answer := br.refresh("development"); answer.StatusCode != 200 {
		t.Errorf("refresh at the other replica: status %d", answer.StatusCode)
	}
}

func TestBasicAuthentication(t *testing.T) {
	coder := newFakeCoder(t)
	b := start(t, coder, func(base string) string {
		return strings.Replace(config(base, coder.URL, ""), "oauth: {", "oauth: {tokenEndpointAuthMethod: client_secret_basic, ", 1)
	})
	br := b.browser(t)
	if br.signIn("development").token() == "" || br.refresh("development").StatusCode != 200 || br.logout("development").StatusCode != 200 {
		t.Error("a sign-in with client_secret_basic fails")
	}
	for _, path := range []string{"/oauth2/tokens", "/oauth2/revoke"} {
		for _, c := range coder.seen(path) {
			if c.form.Has("client_secret") || c.form.Has("client_id") || !strings.HasPrefix(c.header.Get("Authorization"), "Basic ") {
				t.Errorf("%s: form %v", path, len(c.form))
			}
		}
	}
}
