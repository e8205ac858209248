package backstageauth_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/understudy-host/understudy/pkg/backstageauth"
)

func TestStaticTokensAreAccepted(t *testing.T) {
	n, _, _ := newNode(t)
	g := newGate(t, n.URL, `externalAccess: [
		{type: static, options: {token: token-of-one, subject: one}},
		{type: static, options: {token: "a.b.c=/+~é-", subject: two}},
		{type: static, options: {token: `+strings.Repeat("x", 20000)+`, subject: three}}]`)
	g.expect("one", g.as("token-of-one"), http.StatusOK, "service one")
	g.expect("two", g.as("a.b.c=/+~é-"), http.StatusOK, "service two")
	g.expect("a long one", g.as(strings.Repeat("x", 20000)), http.StatusOK, "service three")
	for _, wrong := range []string{"token-of-on", "token-of-one2", "Token-of-one", "one", "undefined"} {
		g.expect(wrong, g.as(wrong), http.StatusUnauthorized, illegal)
	}
	g.use("externalAccess: [{type: static, options: {token: another-token, subject: one}}]")
	g.expect("after a reload", g.as("token-of-one"), http.StatusUnauthorized, illegal)
	g.expect("the new one", g.as("another-token"), http.StatusOK, "service one")
}

func TestLegacyTokensAreAccepted(t *testing.T) {
	n, _, _ := newNode(t)
	// The third secret has bytes that are no UTF-8, in the URL's alphabet and without padding.
	g := newGate(t, n.URL, `externalAccess: [
		{type: legacy, options: {secret: `+base64.StdEncoding.EncodeToString([]byte("the first secret of this test"))+`, subject: one}},
		{type: legacy, options: {secret: c2hvcnQ=, subject: short}},
		{type: legacy, options: {secret: "__79_A", subject: odd}}],
		keys: [{secret: `+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("long", 40)))+`}]`)
	server := with(validity(), object{"sub": "backstage-server", "iat": nil})
	for name, test := range map[string]struct {
		secret         string
		header, claims object
		want           string // the caller; "" for none
	}{
		"the first":          {"the first secret of this test", nil, server, "service one"},
		"a type":             {"the first secret of this test", object{"typ": "JWT"}, server, "service one"},
		"no expiry":          {"the first secret of this test", nil, object{"sub": "backstage-server"}, "service one"},
		"a short one":        {"short", nil, server, "service short"},
		"odd bytes":          {"\xff\xfe\xfd\xfc", nil, server, "service odd"},
		"of the older key":   {strings.Repeat("long", 40), nil, server, "service external:backstage-plugin"},
		"another secret":     {"another secret", nil, server, ""},
		"no secret":          {"", nil, server, ""},
		"another subject":    {"the first secret of this test", nil, with(server, object{"sub": "user:default/admin"}), ""},
		"an audience":        {"the first secret of this test", nil, with(server, object{"aud": "x"}), ""},
		"expired":            {"the first secret of this test", nil, with(server, object{"exp": born - 1}), ""},
		"not valid yet":      {"the first secret of this test", nil, with(server, object{"nbf": born + 3600}), ""},
		"another algorithm":  {"the first secret of this test", object{"alg": "HS512"}, server, ""},
		"no algorithm":       {"the first secret of this test", object{"alg": "none"}, server, ""},
		"a type of a user":   {"the first secret of this test", object{"typ": "vnd.backstage.user"}, server, "!" + failedUser},
		"a critical header":  {"the first secret of this test", object{"crit": []string{"exp"}}, server, ""},
		"claims of a number": {"the first secret of this test", nil, with(server, object{"exp": "x"}), ""},
	} {
		got := g.as(hs256([]byte(test.secret), test.header, test.claims))
		if refusal, refused := strings.CutPrefix(test.want, "!"); refused || test.want == "" {
			if !refused {
				refusal = illegal
			}
			g.expect(name, got, http.StatusUnauthorized, refusal)
			continue
		}
		g.expect(name, got, http.StatusOK, test.want)
	}
}

// signers are the algorithms of external issuers, each with a key of its own.
func signers(t *testing.T) (set string, sign map[string]func(header, claims object) string) {
	t.Helper()
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve := newKey(t, "ES256")
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		curve.public(),
		{Key: edwards.Public(), KeyID: "EdDSA"},
		{Key: &long.PublicKey, KeyID: "RSA"},
		{Key: &long.PublicKey, KeyID: "for secrets", Use: "enc"},
	}}
	data, _ := json.Marshal(keys)
	whole := func(alg, kid string, f func(input string) []byte) func(header, claims object) string {
		return func(header, claims object) string {
			input := part(with(object{"alg": alg, "kid": kid}, header)) + "." + part(claims)
			return input + "." + base64.RawURLEncoding.EncodeToString(f(input))
		}
	}
	rs256 := func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, _ := rsa.SignPKCS1v15(rand.Reader, long, crypto.SHA256, sum[:])
		return signature
	}
	return string(data), map[string]func(header, claims object) string{
		"ES256": curve.sign,
		"EdDSA": whole("EdDSA", "EdDSA", func(input string) []byte { return ed25519.Sign(edwards, []byte(input)) }),
		"RS256": whole("RS256", "RSA", rs256),
		"PS256": whole("PS256", "RSA", func(input string) []byte {
			sum := sha256.Sum256([]byte(input))
			signature, _ := rsa.SignPSS(rand.Reader, long, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: 32})
			return signature
		}),
		"a key for secrets":    whole("RS256", "for secrets", rs256),
		"RS256 of an EC key":   whole("RS256", "ES256", rs256),
		"no ID among many":     func(header, claims object) string { return curve.sign(with(header, object{"kid": nil}), claims) },
		"an algorithm unknown": whole("ES256K", "ES256", rs256),
	}
}

func TestTokensOfExternalIssuersAreAccepted(t *testing.T) {
	n, _, _ := newNode(t)
	set, sign := signers(t)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }))
	defer issuer.Close()
	claims := with(validity(), object{"sub": "deploy", "iss": "https://ci.example.com", "aud": []string{"backstage", "x"}})
	for name, test := range map[string]struct {
		options string
		alg     string
		more    object
		want    string
	}{
		"ES256":              {"", "ES256", nil, "service external:deploy"},
		"EdDSA":              {"", "EdDSA", nil, "service external:deploy"},
		"RS256":              {"", "RS256", nil, "service external:deploy"},
		"PS256":              {"", "PS256", nil, "service external:deploy"},
		"no ID, one fits":    {"", "no ID among many", nil, "service external:deploy"},
		"for secrets":        {"", "a key for secrets", nil, ""},
		"another kind":       {"", "RS256 of an EC key", nil, ""},
		"ES256K":             {"", "an algorithm unknown", nil, ""},
		"a prefix":           {"subjectPrefix: ci", "ES256", nil, "service external:ci:deploy"},
		"the algorithm":      {"algorithm: RS256", "RS256", nil, "service external:deploy"},
		"another algorithm":  {"algorithm: [RS256, 'PS256,EdDSA']", "ES256", nil, ""},
		"the issuer":         {"issuer: [https://x, 'https://y https://ci.example.com']", "ES256", nil, "service external:deploy"},
		"another issuer":     {"issuer: https://x", "ES256", nil, ""},
		"no issuer":          {"issuer: https://ci.example.com", "ES256", object{"iss": nil}, ""},
		"the audience":       {"audience: backstage", "ES256", nil, "service external:deploy"},
		"another audience":   {"audience: [a, b]", "ES256", nil, ""},
		"no audience":        {"audience: backstage", "ES256", object{"aud": nil}, ""},
		"expired":            {"", "ES256", object{"exp": born - 1}, ""},
		"no expiry":          {"", "ES256", object{"exp": nil}, "service external:deploy"},
		"no subject":         {"", "ES256", object{"sub": nil}, ""},
		"an empty subject":   {"", "ES256", object{"sub": ""}, ""},
		"an empty algorithm": {"algorithm: []", "ES256", nil, "service external:deploy"},
	} {
		g := newGate(t, n.URL, "externalAccess: [{type: jwks, options: {url: '"+issuer.URL+"', "+test.options+"}}, {type: static, options: {token: a-static-token, subject: ci}}]")
		got := g.as(sign[test.alg](nil, with(claims, test.more)))
		if test.want == "" {
			g.expect(name, got, http.StatusUnauthorized, illegal)
		} else {
			g.expect(name, got, http.StatusOK, test.want)
		}
		g.expect(name+", the next entry", g.as("a-static-token"), http.StatusOK, "service ci")
	}
	g := newGate(t, n.URL, "externalAccess: [{type: jwks, options: {url: '"+issuer.URL+"'}}]")
	g.expect("a user of an issuer", g.as(sign["ES256"](object{"typ": "vnd.backstage.user"}, claims)), http.StatusUnauthorized, failedUser)
	issuer.Close()
	g = newGate(t, n.URL, "externalAccess: [{type: jwks, options: {url: '"+issuer.URL+"'}}, {type: static, options: {token: a-static-token, subject: ci}}]")
	g.expect("an issuer that is down", g.as(sign["ES256"](nil, claims)), http.StatusUnauthorized, illegal)
	g.expect("an issuer that is down, the next entry", g.as("a-static-token"), http.StatusOK, "service ci")
}

func TestAccessIsRestrictedToPlugins(t *testing.T) {
	n, _, _ := newNode(t)
	for name, test := range map[string]struct {
		restrictions string
		status       int
		want         string
	}{
		"none":               {"", http.StatusOK, "service ci"},
		"an empty list":      {"accessRestrictions: []", http.StatusOK, "service ci"},
		"this plugin":        {"accessRestrictions: [{plugin: todo}]", http.StatusOK, "service ci {[] []}"},
		"with permissions":   {"accessRestrictions: [{plugin: todo, permission: 'a.read, b.read a.read'}]", http.StatusOK, "service ci {[a.read b.read] []}"},
		"with actions":       {"accessRestrictions: [{plugin: catalog}, {plugin: todo, permissionAttribute: {action: [read, update]}}]", http.StatusOK, "service ci {[] [read update]}"},
		"other plugins":      {"accessRestrictions: [{plugin: search}, {plugin: catalog}]", http.StatusForbidden, "NotAllowedError: This token's access is restricted to plugin(s) 'search', 'catalog'"},
		"tells case apart":   {"accessRestrictions: [{plugin: Todo}]", http.StatusForbidden, "NotAllowedError: This token's access is restricted to plugin(s) 'Todo'"},
		"in the wrong place": {"options: {accessRestrictions: [{plugin: x}], token: a-static-token, subject: ci}", http.StatusOK, "service ci"},
	} {
		content := "externalAccess: [{type: static, " + test.restrictions + ", options: {token: a-static-token, subject: ci}}]"
		if strings.HasPrefix(test.restrictions, "options") {
			content = "externalAccess: [{type: static, " + test.restrictions + "}]"
		}
		g := newGate(t, n.URL, strings.Replace(content, "static, ,", "static,", 1))
		g.expect(name, g.as("a-static-token"), test.status, test.want)
	}
	secret := base64.StdEncoding.EncodeToString([]byte("a secret"))
	g := newGate(t, n.URL, "keys: [{secret: "+secret+", accessRestrictions: [{plugin: x}]}]")
	g.expect("an older key", g.as(hs256([]byte("a secret"), nil, object{"sub": "backstage-server"})), http.StatusForbidden,
		"NotAllowedError: This token's access is restricted to plugin(s) 'x'")
}

func TestExternalAccessThatCannotBeReadIsRefused(t *testing.T) {
	const at = "config key 'backend.auth.externalAccess[0]"
	for name, test := range map[string]struct{ content, err string }{
		"no type":               {"externalAccess: [{options: {}}]", "Missing required config value at 'backend.auth.externalAccess[0].type'"},
		"no options":            {"externalAccess: [{type: static}]", "Missing required config value at 'backend.auth.externalAccess[0].options'"},
		"an unknown type":       {"externalAccess: [{type: secret, options: {}}]", at + ".type' in 'app-config.yaml': Unknown type, expected one of 'static', 'legacy', 'jwks'"},
		"a short token":         {"externalAccess: [{type: static, options: {token: secret7, subject: a}}]", at + ".options.token' in 'app-config.yaml': Illegal token, must be at least 8 characters length"},
		"a token with spaces":   {"externalAccess: [{type: static, options: {token: 'a secret token', subject: a}}]", "Illegal token, must be a set of non-space characters"},
		"no token":              {"externalAccess: [{type: static, options: {subject: a}}]", "Missing required config value at 'backend.auth.externalAccess[0].options.token'"},
		"no subject":            {"externalAccess: [{type: static, options: {token: secret-token}}]", "Missing required config value at 'backend.auth.externalAccess[0].options.subject'"},
		"a subject with spaces": {"externalAccess: [{type: static, options: {token: secret-token, subject: 'a b'}}]", "Illegal subject, must be a set of non-space characters"},
		"no secret":             {"externalAccess: [{type: legacy, options: {subject: a}}]", "Missing required config value at 'backend.auth.externalAccess[0].options.secret'"},
		"a secret of nothing":   {"externalAccess: [{type: legacy, options: {secret: '!!!', subject: a}}]", "Illegal secret, must be a valid base64 string"},
		"a secret with spaces":  {"keys: [{secret: 'c2Vj cmV0'}]", "config key 'backend.auth.keys[0].secret' in 'app-config.yaml': Illegal secret, must be a valid base64 string"},
		"no URL":                {"externalAccess: [{type: jwks, options: {}}]", "Missing required config value at 'backend.auth.externalAccess[0].options.url'"},
		"a URL of nothing":      {"externalAccess: [{type: jwks, options: {url: /secret}}]", "Illegal JWKS URL, expected one such as"},
		"a file":                {"externalAccess: [{type: jwks, options: {url: 'file:///etc/secret'}}]", "Illegal JWKS URL, expected one such as"},
		"a secret algorithm":    {"externalAccess: [{type: jwks, options: {url: 'http://a', algorithm: HS256}}]", "Unknown algorithm, expected some of [ES256"},
		"an unknown key":        {"externalAccess: [{type: static, options: {token: secret-token, subject: a}, accessRestrictions: [{plugin: a, permissions: x}]}]", at + ".accessRestrictions[0]' in 'app-config.yaml': Invalid key 'permissions', expected one of 'plugin', 'permission', 'permissionAttribute'"},
		"an unknown attribute":  {"externalAccess: [{type: static, options: {token: secret-token, subject: a}, accessRestrictions: [{plugin: a, permissionAttribute: {actions: x}}]}]", "Invalid key 'actions', expected one of 'action'"},
		"an unknown action":     {"externalAccess: [{type: static, options: {token: secret-token, subject: a}, accessRestrictions: [{plugin: a, permissionAttribute: {action: write}}]}]", "Invalid value, valid values are 'create', 'read', 'update', 'delete'"},
		"twice":                 {"externalAccess: [{type: static, options: {token: secret-token, subject: a}, accessRestrictions: [{plugin: a}, {plugin: a}]}]", "Attempted to declare 'accessRestrictions' twice for a plugin"},
		"no list":               {"externalAccess: {}", "backend.auth.externalAccess"},
		"a policy of words":     {"dangerouslyDisableDefaultAuthPolicy: maybe", "backend.auth.dangerouslyDisableDefaultAuthPolicy"},
	} {
		_, err := backstageauth.Read(config(t, "backend: {auth: {"+test.content+"}}"))
		if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(strings.ReplaceAll(err.Error(), "Illegal secret", ""), "secret-") {
			t.Errorf("%s: %v, want %s", name, err, test.err)
		}
	}
	_, err := backstageauth.Read(config(t, "backend: {auth: {externalAccess: [{type: static, options: {}}, {type: x, options: {}}], keys: [{}]}}"))
	if lines := strings.Count(fmt.Sprint(err), "\n") + 1; lines != 4 {
		t.Errorf("%d problems, want 4 at once:\n%v", lines, err)
	}
}
