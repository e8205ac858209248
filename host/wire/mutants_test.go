package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/plugin/plugintest"
)

// TestMutants changes answers of the running host before they are compared. Each change must be noticed, except those
// that the list of allowed differences allows.
func TestMutants(t *testing.T) {
	list, err := readAllowances(filepath.Join("testdata", "allowed-differences.json"))
	if err != nil {
		t.Fatal(err)
	}
	if outside() != "" {
		t.Skip("the mutants are made of this host's answers")
	}
	scenarios := map[string]*scenario{}
	for group := range groups {
		all, err := readScenarios(group)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			scenarios[s.name] = s
		}
	}
	const (
		start, frame, rotated, logout = "provider/start-ok", "provider/frame-ok", "provider/refresh-rotated", "provider/logout-ok"
		legacy, health                = "legacy/callback-ok", "host/liveness"
	)
	foreign := encodeState(url.Values{"nonce": {"AAAAAAAAAAAAAAAAAAAAAA=="}, "env": {"development"}})
	tests := map[string]struct {
		scenario string
		change   func(*answer)
		allowed  bool
	}{
		"nothing changed":         {frame, func(*answer) {}, true},
		"nothing changed, legacy": {legacy, func(*answer) {}, true},
		"not to be stored at all": {legacy, set("cache-control", "no-store"), true},

		"refresh cookie without HttpOnly":     {rotated, cookies("coder-refresh-token=w", `; HttpOnly`, ""), false},
		"refresh cookie with SameSite=None":   {rotated, cookies("coder-refresh-token=w", `SameSite=Lax`, "SameSite=None"), false},
		"refresh cookie for the whole site":   {frame, cookies("coder-refresh-token=w", `Path=[^;]*`, "Path=/"), false},
		"refresh cookie that lasts a day":     {frame, cookies("coder-refresh-token=w", `Max-Age=\d+`, "Max-Age=86400"), false},
		"refresh cookie not cleared":          {logout, cookies("coder-refresh-token=;", `.*`, "x=1"), false},
		"nonce cookie at another path":        {start, cookies("coder-nonce=", `/handler`, ""), false},
		"nonce cookie of another shape":       {start, cookies("coder-nonce=", `=[^;]+`, "=abc"), false},
		"old domain cookie not cleared":       {start, cookies("coder-nonce=;", `Domain=[^;]*; `, ""), false},
		"flow cookie open to scripts":         {start, cookies("coder-state-", `; HttpOnly`, ""), false},
		"flow cookie for the whole site":      {start, cookies("coder-state-", `Path=[^;]*`, "Path=/"), false},
		"flow cookie that lasts an hour":      {start, cookies("coder-state-", `Max-Age=\d+`, "Max-Age=3600"), false},
		"a cookie more":                       {start, cookies("coder-nonce=", `^coder-nonce`, "session"), false},
		"chunks of another size":              {"provider/big-refresh-token", cookies("coder-refresh-token-0=", `.{100};`, ";"), false},
		"state with a foreign nonce":          {start, header("location", `state=[0-9a-f]+`, "state="+foreign), false},
		"another redirect_uri":                {start, header("location", `handler%2Fframe`, "oauth%2Fcallback"), false},
		"scope added":                         {start, header("location", `client_id=`, "scope=all&client_id="), false},
		"PKCE without hashing":                {start, header("location", `S256`, "plain"), false},
		"no PKCE challenge":                   {start, header("location", `code_challenge=`, "code_challenges="), false},
		"token posted to anyone":              {frame, body(`"origins":\["http://localhost:3000"\]`, `"origins":["*"]`), false},
		"only one message":                    {frame, body(`\{"data":\{"targetOrigin"[^}]*\},"origins":\["\*"\]\},`, ""), false},
		"window stays open":                   {frame, body(`window\.close\(\)`, "0"), false},
		"script that fails":                   {frame, body(`JSON\.parse`, "JSON.pars"), false},
		"script with another nonce":           {frame, body(`<script nonce="`, `<script nonce="x`), false},
		"page without a CSP":                  {frame, drop("content-security-policy"), false},
		"page that lets any script run":       {frame, header("content-security-policy", `script-src '[^']*'`, "script-src 'unsafe-inline'"), false},
		"token in the text":                   {frame, body(`signed in to Coder`, "signed in to wire-access-token-1"), false},
		"an image":                            {frame, body(`</main>`, `<img src="https://evil.example/x"></main>`), false},
		"an event handler":                    {legacy, body(`<main>`, `<main onclick="x()">`), false},
		"the token to other origins, legacy":  {legacy, body(`"origins":\["http://localhost:3000"`, `"origins":["http://evil.example"`), false},
		"another message type, legacy":        {legacy, body(`coder-oauth-success`, "coder-oauth-ok"), false},
		"page that may be stored":             {legacy, set("cache-control", "public, max-age=60"), false},
		"X-Frame-Options missing":             {health, drop("x-frame-options"), false},
		"Strict-Transport-Security for a day": {health, set("strict-transport-security", "max-age=86400"), false},
		"CSP directive missing":               {health, header("content-security-policy", `object-src[^;]*;`, ""), false},
		"server banner":                       {health, set("x-powered-by", "Mutant"), false},
		"charset missing":                     {health, set("content-type", "application/json"), false},
		"CORS open to all":                    {"host/cors-simple-foreign", set("access-control-allow-origin", "*"), false},
		"CORS without credentials":            {"host/cors-simple-allowed", drop("access-control-allow-credentials"), false},
		"no Vary: Origin":                     {"host/cors-simple-allowed", set("vary", "Accept-Encoding"), false},
		"200 instead of 401":                  {"provider/logout-no-header", func(a *answer) { a.status = 200 }, false},
		"another error text":                  {"provider/start-missing-env", body(`Must specify`, "Please specify"), false},
		"error JSON without request":          {"provider/start-missing-env", body(`"request":\{[^}]*\},`, ""), false},
		"a JSON field more":                   {"provider/refresh-ok", body(`"providerInfo":\{`, `"providerInfo":{"refreshToken":"wire",`), false},
		"a number as a string":                {"provider/refresh-ok", body(`"expiresInSeconds":(\d+)`, `"expiresInSeconds":"$1"`), false},
		"redirect to somewhere else":          {"proxy/upstream-redirect", set("location", "https://evil.example/"), false},
		"redirect past the proxy":             {"proxy/upstream-redirect", set("location", "/api/v2/workspaces"), false},
		"a header of the target more":         {"proxy/get-ok", set("x-request-id", "1"), false},
		"a cookie of the target":              {"proxy/get-ok", set("set-cookie", "coder_session_token=leak; Path=/"), false},
		"the path in an error":                {"proxy/upstream-down", body(`:.*`, ": /api/v2/workspaces?secret=1"), false},
		"upstream text in an error":           {"provider/refresh-upstream-500", body(`"message":"`, `"message":"fake-coder `), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A host of its own: one spends a code only once.
			s, r := scenarios[test.scenario], newRig(t, "subject.yaml", new([]*plugintest.Log))
			changed := false
			r.mutate = func(a *answer) {
				before := answer{a.outcome, a.status, maps.Clone(a.header), a.body}
				test.change(a)
				changed = changed || !reflect.DeepEqual(before, *a)
			}
			got, err := r.play(s)
			if err != nil {
				t.Fatal(err)
			}
			if !test.allowed && !changed {
				t.Fatal("the mutant changes nothing")
			}
			open := refused(list, s.name, compare(s.golden, got))
			if test.allowed && len(open) > 0 {
				t.Errorf("refused: %v", open)
			}
			if !test.allowed && len(open) == 0 {
				t.Error("not noticed")
			}
		})
	}
}

// The following changes never modify a slice or a map of the old answer, they replace it.

func set(name, value string) func(*answer) {
	return func(a *answer) { a.header[name] = []string{value} }
}

func drop(name string) func(*answer) {
	return func(a *answer) { delete(a.header, name) }
}

func header(name, pattern, to string) func(*answer) { return lines(name, "", pattern, to) }

func cookies(prefix, pattern, to string) func(*answer) {
	return lines("set-cookie", prefix, pattern, to)
}

// lines changes the values of a header that begin with a prefix.
func lines(name, prefix, pattern, to string) func(*answer) {
	re := regexp.MustCompile(pattern)
	return func(a *answer) {
		if a.header[name] == nil {
			return
		}
		values := slices.Clone(a.header[name])
		for i, value := range values {
			if strings.HasPrefix(value, prefix) {
				values[i] = re.ReplaceAllString(value, to)
			}
		}
		a.header[name] = values
	}
}

func body(pattern, to string) func(*answer) {
	re := regexp.MustCompile(pattern)
	return func(a *answer) { a.body = re.ReplaceAll(a.body, []byte(to)) }
}

func TestJar(t *testing.T) {
	j := &jar{host: "localhost"}
	for _, line := range []string{"x=1; Path=/a; HttpOnly", "y=1; Secure", "z=1; Domain=example.com", "w=1", "v=1; Path=/; Expires=Thu, 01 Jan 2015 00:00:00 GMT"} {
		j.take(line, "/a/b/c?d=/e/f")
	}
	for path, want := range map[string]string{"/a": "x=1", "/a/c?q": "x=1", "/ab": "", "/a/b/d": "w=1; x=1", "/a/b": "w=1; x=1"} {
		if got := j.header(path); got != want {
			t.Errorf("cookies for %s: %q, want %q", path, got, want)
		}
	}
	j.take("x=; Path=/; Max-Age=0", "/")
	j.take("w=; Max-Age=0", "/a/b/")
	if got := j.header("/a/b"); got != "x=1" {
		t.Errorf("after deleting w, and x of another path: %q, want x=1", got)
	}
}

func TestPagePolicies(t *testing.T) {
	const script = "opener.postMessage({t:1},'*')"
	sum := sha256.Sum256([]byte(script))
	hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	at := &url.URL{Scheme: "http", Host: "localhost", Path: "/x"}
	for policies, runs := range map[string]bool{
		"":                                                  true,
		"img-src 'none'":                                    true,
		"script-src " + hash:                                true,
		"script-src 'nonce-n1'":                             true,
		"script-src 'unsafe-inline'":                        true,
		"script-src 'sha256-AAAA'":                          false,
		"script-src 'nonce-n2'":                             false,
		"script-src 'self'":                                 false,
		"default-src 'none'":                                false,
		"script-src 'nonce-n1', " + hash:                    true, // the second is a policy without script-src
		"script-src 'unsafe-inline' 'nonce-n2'":             false,
		"default-src 'none'; script-src 'nonce-n1'":         true,
		"script-src 'nonce-n1'; script-src-elem 'self'":     false,
		"script-src 'nonce-n1', script-src 'unsafe-inline'": true,
		"script-src 'nonce-n1', default-src 'none'":         false,
	} {
		page := readPage(`<p>hi</p><script nonce="n1">`+script+`</script>`, []string{policies}, at)
		for situation, posted := range map[string]bool{"openerReadable": runs, "openerCrossOrigin": runs, "noOpener": false} {
			run := page["runs"].(map[string]any)[situation].(map[string]any)
			messages, _ := run["messages"].([]any)
			if got := len(messages) == 1; got != posted || run["harnessError"] != nil {
				t.Errorf("policy %q, %s: posted %t, want %t (%v)", policies, situation, got, posted, run)
			}
		}
	}
}
