package coder

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

func read(t *testing.T, yaml string) (*settings, error) {
	t.Helper()
	own, err := schema.Compile(Plugin().Source())
	if err != nil {
		t.Fatal(err)
	}
	return readSettings(own.Scope(plugintest.Config(t, yaml)), "http://backend.example/api/auth/coder")
}

func TestEachSpellingServesBothGenerations(t *testing.T) {
	const older = `coder: {deployment: {accessUrl: 'https://coder.example/'}, oauth: {clientId: old, clientSecret: s}}`
	const newer = `auth: {environment: production, providers: {coder: {development: {clientId: dev, clientSecret: s, deploymentUrl: 'https://dev.example'},
  production: {clientId: prod, clientSecret: s, deploymentUrl: 'https://prod.example'}}}}`
	tests := map[string]struct{ yaml, olderKey, olderID, env, envID string }{
		"older":          {older, "coder.oauth", "old", "development", "old"},
		"older with env": {older + "\nauth: {environment: production}", "coder.oauth", "old", "production", "old"},
		"newer":          {newer, "auth.providers.coder.production", "prod", "production", "prod"},
		"both":           {older + "\n" + newer, "coder.oauth", "old", "development", "dev"},
	}
	for name, test := range tests {
		s, err := read(t, "app: {baseUrl: 'https://app.example'}\n"+test.yaml)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.older.key != test.olderKey || s.older.clientID != test.olderID || s.byEnv[test.env].clientID != test.envID {
			t.Errorf("%s: older routes use %s of %s, environment %s uses %s", name, s.older.clientID, s.older.key, test.env, s.byEnv[test.env].clientID)
		}
		if s.older.callbackURL != "http://backend.example/api/auth/coder/oauth/callback" || s.byEnv[test.env].callbackURL != "http://backend.example/api/auth/coder/handler/frame" {
			t.Errorf("%s: callbacks %s and %s", name, s.older.callbackURL, s.byEnv[test.env].callbackURL)
		}
		if strings.HasSuffix(s.older.deployment, "/") {
			t.Errorf("%s: deployment %s", name, s.older.deployment)
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
      development: {clientId: '', deploymentUrl: 'ftp://x', sessionDuration: soon, callbackUrl: /here, tokenEndpointAuthMethod: private_key_jwt}
coder: {deployment: {accessUrl: 'https://u:p@coder.example'}, oauth: {clientId: a, clientSecret: 5, allowLegacyState: maybe, timeout: {fortnights: 1}}}`, []string{
			"'app.baseUrl' in 'app-config.yaml': 'app.example' is not an absolute http or https URL",
			"'understudy.session.keys' in 'app-config.yaml': key 1 has 5 characters, expected at least 32",
			"'auth.experimentalExtraAllowedOrigins[0]' in 'app-config.yaml', got number, wanted string-array",
			"'auth.providers.coder.development.clientId' in 'app-config.yaml', got empty-string, wanted string",
			"Missing required config value at 'auth.providers.coder.development.clientSecret' in 'app-config.yaml'",
			"'auth.providers.coder.development.deploymentUrl' in 'app-config.yaml': 'ftp://x' is not an absolute",
			"'auth.providers.coder.development.sessionDuration' in 'app-config.yaml': 'soon' is not a duration",
			"'auth.providers.coder.development.callbackUrl' in 'app-config.yaml'",
			"'auth.providers.coder.development.tokenEndpointAuthMethod' in 'app-config.yaml': got 'private_key_jwt', expected one of client_secret_post, client_secret_basic",
			"'coder.deployment.accessUrl' in 'app-config.yaml': expected the URL of a Coder deployment without user",
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

func TestSchemaVisibility(t *testing.T) {
	own, err := schema.Compile(schema.Source{PackageName: "coder", Path: "schema.json", Value: Plugin().Schema})
	if err != nil {
		t.Fatal(err)
	}
	secrets := own.Secrets(plugintest.Config(t, `
coder: {oauth: {clientSecret: one, clientId: public}}
auth: {session: {secret: two}, providers: {coder: {development: {clientSecret: three, clientId: public}}}}
backend: {auth: {keys: [{secret: four}]}}
understudy: {session: {keys: [five]}}`))
	if got := " " + strings.Join(secrets, " ") + " "; len(secrets) != 5 || strings.Contains(got, "public") {
		t.Errorf("secrets %v", secrets)
	}
}

func TestKeysComeFromWhatThereIs(t *testing.T) {
	const keys = "app: {baseUrl: 'https://app.example'}\ncoder: {deployment: {accessUrl: 'https://coder.example'}, oauth: {clientId: a, clientSecret: b}}\n"
	for name, test := range map[string]struct {
		yaml string
		n    int
	}{
		"own":     {"understudy: {session: {keys: [0123456789abcdef0123456789abcdef, 1123456789abcdef0123456789abcdef]}}\nbackend: {auth: {keys: [{secret: x}]}}", 2},
		"backend": {"backend: {auth: {keys: [{secret: x}]}}\nauth: {session: {secret: y}}", 1},
		"session": {"auth: {session: {secret: y}}", 1},
		"none":    {"", 0},
	} {
		s, err := read(t, keys+test.yaml)
		if err != nil || len(s.secrets) != test.n {
			t.Errorf("%s: %d secrets, %v", name, len(s.secrets), err)
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
	if err != nil || len(s.warnings) != 2 || !strings.Contains(s.warnings[0], "signIn") || !strings.Contains(s.warnings[1], "callbackUrl") {
		t.Errorf("%v, %v", s, err)
	}
}

func TestSignInsOutliveAReload(t *testing.T) {
	coder := newFakeCoder(t)
	p := Plugin()
	yaml := strings.Replace(config("http://localhost", coder.URL, providers(coder.URL)), "understudy:", "ignored:", 1)
	var rings [2]*handler
	for i := range rings {
		env, _ := plugintest.Environment(t, p, yaml)
		h, err := p.New(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		rings[i] = h.(*handler)
	}
	if _, err := rings[1].ring.Open(rings[0].ring.Seal([]byte("x"), "c"), "c"); err != nil {
		t.Errorf("after a reload with random keys: %v", err)
	}
	if rings[0].environments["development"].sessions != rings[1].environments["development"].sessions {
		t.Error("a tab that comes with a token that was rotated just before a reload is signed out")
	}
	if rings[0].environments["development"].sessions == rings[0].environments["staging"].sessions {
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
	if said := br.get(there).told(t); said.token() == "" {
		t.Errorf("the other replica says %s", said.failure())
	}
	if answer := br.refresh("development"); answer.StatusCode != 200 {
		t.Errorf("refresh at the other replica: status %d", answer.StatusCode)
	}
}

func TestMetadata(t *testing.T) {
	coder := newFakeCoder(t)
	c, closeIdle := newHTTPClient()
	defer closeIdle()
	document := func(change map[string]any) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			d := map[string]any{"issuer": coder.URL, "authorization_endpoint": coder.URL + "/a", "token_endpoint": coder.URL + "/t", "revocation_endpoint": coder.URL + "/r"}
			maps.Copy(d, change)
			_ = json.NewEncoder(w).Encode(d)
		}
	}
	fixed := endpoints{authorize: coder.URL + "/oauth2/authorize", token: coder.URL + "/oauth2/tokens", revoke: coder.URL + "/oauth2/revoke"}
	tests := map[string]struct {
		serve func(http.ResponseWriter, *http.Request)
		want  endpoints
	}{
		"whole":          {document(nil), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/r", false}},
		"basic only":     {document(map[string]any{"token_endpoint_auth_methods_supported": []string{basicAuth}}), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/r", true}},
		"in part":        {document(map[string]any{"revocation_endpoint": nil}), endpoints{coder.URL + "/a", coder.URL + "/t", coder.URL + "/oauth2/revoke", false}},
		"another origin": {document(map[string]any{"token_endpoint": "https://evil.example/t"}), fixed},
		"user in URL":    {document(map[string]any{"token_endpoint": strings.Replace(coder.URL, "://", "://x@", 1) + "/t"}), fixed},
		"none":           {nil, fixed},
		"not JSON":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, fixed},
		"too large":      {func(w http.ResponseWriter, r *http.Request) { huge(w, r) }, fixed},
	}
	for name, test := range tests {
		coder.set(func(f *fakeCoder) { f.metadata = test.serve })
		m := newMetadata(t.Context(), coder.URL, c, zap.NewNop())
		m.update()
		if got := *m.known.Load(); got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
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

func TestUpstreamErrorsSayWhatIsKnown(t *testing.T) {
	coder := newFakeCoder(t)
	b := start(t, coder, func(base string) string { return config(base, coder.URL, "") })
	coder.set(func(f *fakeCoder) { f.token = failing(400, `{"error":"`+codePrefix+`x"}`) })
	_, err := b.handler.(*handler).older.exchange(t.Context(), codePrefix+"x", "", "")
	if err == nil || strings.Contains(err.Error(), codePrefix) {
		t.Errorf("what is no error code: %v", err)
	}
	closed, hangUp := context.WithCancel(t.Context())
	hangUp()
	_, err = b.handler.(*handler).older.exchange(closed, codePrefix+"x", "", "")
	var upstream *upstreamError
	if !errors.As(err, &upstream) || upstream.hint() != "the browser went away before Coder answered" {
		t.Errorf("a browser that hung up: %v", err)
	}
}

func TestUpstreamErrorsKeepNoBody(t *testing.T) {
	coder := newFakeCoder(t)
	coder.set(func(f *fakeCoder) {
		f.token = failing(400, `{"error":"invalid_grant","error_description":"`+upstreamProse+`"}`)
	})
	b := start(t, coder, func(base string) string { return config(base, coder.URL, "") })
	_, err := b.handler.(*handler).older.exchange(t.Context(), codePrefix+"x", "", "")
	var upstream *upstreamError
	if !errors.As(err, &upstream) || upstream.code != "invalid_grant" || upstream.status != 400 || strings.Contains(err.Error(), upstreamProse) {
		t.Errorf("%v", err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "secret") {
			t.Errorf("%v", e)
		}
	}
}
