package backstageauth_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// forged returns tokens that are not the issuer's, or not for this plugin, and what the answer to each is.
func forged(t *testing.T, n *node, auth, catalog key) map[string]struct{ token, want string } {
	t.Helper()
	own := newKey(t, auth.id) // the attacker's
	der, err := x509.MarshalPKIXPublicKey(&auth.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	shown, _ := json.Marshal(auth.public())
	ownKey, _ := json.Marshal(own.public())
	claims := with(validity(), object{"sub": "user:default/admin", "aud": "backstage"})
	user := func(header, more object) string {
		return auth.sign(with(object{"typ": "vnd.backstage.user"}, header), with(claims, more))
	}
	bad := func(header object) string { return own.sign(with(object{"typ": "vnd.backstage.user"}, header), claims) }
	unsigned := func(alg any) string {
		return part(object{"typ": "vnd.backstage.user", "alg": alg, "kid": auth.id}) + "." + part(claims) + "."
	}
	whole := auth.user(nil)
	parts := strings.Split(whole, ".")
	return map[string]struct{ token, want string }{
		"no signature":                 {unsigned("none"), failedUser},
		"no signature, capitals":       {unsigned("NONE"), failedUser},
		"no algorithm":                 {unsigned(nil), failedUser},
		"an algorithm that is no text": {unsigned(1), illegal},
		"a stripped signature":         {parts[0] + "." + parts[1] + ".", failedUser},
		"HS256 with the PEM":           {hs256(public, object{"typ": "vnd.backstage.user", "kid": auth.id}, claims), failedUser},
		"HS256 with the DER":           {hs256(der, object{"typ": "vnd.backstage.user", "kid": auth.id}, claims), failedUser},
		"HS256 with the JWK":           {hs256(shown, object{"typ": "vnd.backstage.user", "kid": auth.id}, claims), failedUser},
		"HS256 with nothing":           {hs256(nil, object{"typ": "vnd.backstage.user", "kid": auth.id}, claims), failedUser},
		"another key":                  {bad(nil), failedUser},
		"another key, no ID":           {bad(object{"kid": nil}), failedUser},
		"a key ID that walks":          {bad(object{"kid": "../../../../etc/passwd"}), failedUser},
		"a key ID that is a URL":       {bad(object{"kid": n.URL + "/evil.json"}), failedUser},
		"a key ID with quotes":         {bad(object{"kid": "' OR '1'='1"}), failedUser},
		"a key ID that is no text":     {bad(object{"kid": object{"a": 1}}), illegal},
		"a key in the header":          {bad(object{"jwk": json.RawMessage(ownKey)}), failedUser},
		"a URL of keys":                {bad(object{"jku": n.URL + "/evil.json"}), failedUser},
		"a URL of a certificate":       {bad(object{"x5u": n.URL + "/evil.pem"}), failedUser},
		"a certificate":                {bad(object{"x5c": []string{base64.StdEncoding.EncodeToString(der)}}), failedUser},
		"a critical extension":         {user(object{"crit": []string{"exp"}}, nil), failedUser},
		"an unencoded payload":         {user(object{"crit": []string{"b64"}, "b64": false}, nil), failedUser},
		"b64 by itself":                {user(object{"b64": false}, nil), failedUser},
		"other claims":                 {parts[0] + "." + part(with(claims, object{"iss": "x"})) + "." + parts[2], failedUser},
		"a changed signature":          {whole[:len(whole)-4] + "AAAA", failedUser},
		"a shortened signature":        {whole[:len(whole)-8], failedUser},
		"a longer token":               {whole + ".x", illegal},
		"an encrypted token":           {whole + ".x.y", failedUser},
		"spaces in a part":             {strings.Replace(whole, ".", "%20.", 1), illegal},
		"expired":                      {user(nil, object{"exp": born - 1}), failedUser},
		"expires now":                  {user(nil, object{"exp": born}), failedUser},
		"not valid yet":                {user(nil, object{"nbf": born + 3600}), failedUser},
		"a validity in milliseconds":   {user(nil, object{"nbf": born * 1000}), failedUser},
		"expiry is a text":             {user(nil, object{"exp": fmt.Sprint(born + 3600)}), failedUser},
		"no expiry":                    {user(nil, object{"exp": nil}), failedUser},
		"no time of issue":             {user(nil, object{"iat": nil}), failedUser},
		"no subject":                   {user(nil, object{"sub": nil}), failedUser},
		"an empty subject":             {user(nil, object{"sub": ""}), failedUser},
		"a subject that is no text":    {user(nil, object{"sub": 1}), failedUser},
		"claims that are no object":    {parts[0] + "." + part("x") + "." + parts[2], failedUser},
		"claims that are twice there": {auth.raw(object{"typ": "vnd.backstage.user"},
			fmt.Sprintf(`{"sub":"user:default/jane","sub":"user:default/admin","iat":%d,"exp":%d}`, born, born+9)), failedUser},
		"another type":                          {user(object{"typ": "vnd.backstage.other"}, object{"aud": nil}), illegal},
		"a type in capitals":                    {user(object{"typ": "VND.BACKSTAGE.USER"}, object{"aud": nil}), illegal},
		"an older user token without expiry":    {user(object{"typ": nil}, object{"exp": nil}), "AuthenticationError: User token is missing expiration"},
		"an older user token without subject":   {user(object{"typ": nil}, object{"sub": nil}), "AuthenticationError: No user sub found in token"},
		"an older user token for somebody else": {user(object{"typ": nil}, object{"aud": "todo"}), illegal},
		"a user token of a plugin":              {catalog.user(nil), failedUser},
		"a limited token as a whole one":        {strings.Join([]string{parts[0], parts[1], strings.Split(auth.limited(nil), ".")[2]}, "."), failedUser},
		"a huge token":                          {user(nil, object{"ent": strings.Repeat("x", 1<<20)}), illegal},
		"a huge header":                         {strings.Repeat("a", 1<<20) + ".b.c", illegal},
		"dots":                                  {strings.Repeat(".", 1000), illegal},
		"deep JSON":                             {base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 10000))) + ".a.b", illegal},

		"a plugin token of another key":     {auth.plugin(nil), failedPlugin},
		"a plugin token without signature":  {part(object{"typ": "vnd.backstage.plugin", "alg": "none"}) + "." + part(with(validity(), object{"sub": "catalog", "aud": "todo"})) + ".", failedPlugin},
		"a plugin token for another plugin": {catalog.plugin(object{"aud": "search"}), failedPlugin},
		"a plugin token for users":          {catalog.plugin(object{"aud": "backstage"}), failedPlugin},
		"a plugin token for nobody":         {catalog.plugin(object{"aud": nil}), failedPlugin},
		"an expired plugin token":           {catalog.plugin(object{"exp": born - 1}), failedPlugin},
		"a plugin token without expiry":     {catalog.plugin(object{"exp": nil}), failedPlugin},
		"a plugin token without a time":     {catalog.plugin(object{"iat": nil}), failedPlugin},
		"a plugin token without subject":    {catalog.plugin(object{"sub": nil}), "AuthenticationError: Invalid plugin token: missing subject"},
		"a plugin that walks":               {catalog.plugin(object{"sub": "../catalog"}), "AuthenticationError: Invalid plugin token: forbidden subject format"},
		"a plugin that is a URL":            {catalog.plugin(object{"sub": "evil.example/x#"}), "AuthenticationError: Invalid plugin token: forbidden subject format"},
		"a plugin with a line end":          {catalog.plugin(object{"sub": "catalog\n"}), "AuthenticationError: Invalid plugin token: forbidden subject format"},
		"a plugin with an endless name":     {catalog.plugin(object{"sub": strings.Repeat("a", 65)}), "AuthenticationError: Invalid plugin token: forbidden subject format"},
		"a plugin that does not exist": {catalog.plugin(object{"sub": "nope"}), "AuthenticationError: Received a plugin token where the source 'nope' plugin unexpectedly " +
			"does not have a JWKS endpoint. The target plugin needs to be migrated to be installed in an app using the new backend system."},
		"on behalf of no user":            {catalog.plugin(object{"obo": "x"}), "AuthenticationError: Invalid user token in plugin token obo claim"},
		"on behalf of a plugin":           {catalog.plugin(object{"obo": catalog.plugin(nil)}), "AuthenticationError: Invalid user token in plugin token obo claim"},
		"on behalf of a forged user":      {catalog.plugin(object{"obo": own.limited(nil)}), failedUser},
		"on behalf of a user of a plugin": {catalog.plugin(object{"obo": catalog.limited(nil)}), failedUser},
		"on behalf of an expired user":    {catalog.plugin(object{"obo": auth.limited(object{"exp": born - 1})}), failedUser},
		"on behalf of a number":           {catalog.plugin(object{"obo": 1}), failedPlugin},
	}
}

// raw signs claims as they are written.
func (k key) raw(header object, claims string) string {
	input := part(with(object{"alg": "ES256", "kid": k.id}, header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return input + "." + k.signature(input)
}

func TestForgedTokensAreRefused(t *testing.T) {
	n, auth, catalog := newNode(t)
	g := newGate(t, n.URL, "")
	for name, test := range forged(t, n, auth, catalog) {
		got := g.as(test.token)
		g.expect(name, got, http.StatusUnauthorized, test.want)
		if len(got.all) > 600 {
			t.Errorf("%s: an answer of %d bytes", name, len(got.all))
		}
	}
	for _, request := range n.asked() {
		switch request {
		case "GET /api/auth/.well-known/jwks.json", "GET /api/catalog/.backstage/auth/v1/jwks.json", "GET /api/nope/.backstage/auth/v1/jwks.json":
		default:
			t.Errorf("asked for %s", request)
		}
	}
	for _, entry := range g.log.All() {
		if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "eyJ") || strings.Contains(text, "admin") || len(text) > 600 {
			t.Errorf("the log has something of a token: %s", text)
		}
	}
	g.expect("the real one", g.as(auth.user(nil)), http.StatusOK, "user user:default/jane")
}

// Node takes the first of two headers, and so does the barrier: what it checks is what a plugin sees.
func TestFirstAuthorizationHeaderCounts(t *testing.T) {
	n, auth, _ := newNode(t)
	g := newGate(t, n.URL, "")
	good := "Authorization: Bearer " + auth.user(nil)
	g.expect("a wrong one first", g.get("/", "Authorization: Bearer x", good), http.StatusUnauthorized, illegal)
	g.expect("a wrong one last", g.get("/", good, "Authorization: Bearer x"), http.StatusOK, "user user:default/jane")
	g.expect("one line", g.get("/", good+", Bearer x"), http.StatusUnauthorized, missing)
}

// misbehaving is an auth plugin that answers in a way of its own.
func TestKeysThatCannotBeHadRefuseTokens(t *testing.T) {
	k := newKey(t, "k")
	set := func() string { data, _ := json.Marshal(map[string]any{"keys": []any{k.public()}}); return string(data) }()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }))
	defer elsewhere.Close()
	private, _ := json.Marshal(map[string]any{"keys": []any{object{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}}})
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		log    string
	}{
		"not found": {http.NotFound, "status 404, expected 200"},
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, set)
		}, "status 500"},
		"a redirect":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "status 302"},
		"no JSON":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "not a JSON Web Key Set"},
		"no keys":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, "not a JSON Web Key Set"},
		"an empty set":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) }, "the issuer has no such key"},
		"shared secrets": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(private) }, "the issuer has no such key"},
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"x":"`+strings.Repeat("x", 1<<20)+`",`+set[1:])
		}, "more than 262144 bytes"},
		"too many": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[`+strings.Repeat(`{},`, 100)+set[len(`{"keys":[`):])
		}, "more than 100 keys"},
		"the end of a connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		server := httptest.NewServer(http.HandlerFunc(test.answer))
		g := newGate(t, server.URL, "")
		g.expect(name, g.as(k.user(nil)), http.StatusUnauthorized, failedUser)
		if log := fmt.Sprint(g.log.All()[0].ContextMap()["error"]); !strings.Contains(log, test.log) {
			t.Errorf("%s: the log says %s, want %s", name, log, test.log)
		}
		server.Close()
	}
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	g := newGate(t, down.URL, "")
	g.expect("down", g.as(k.user(nil)), http.StatusUnauthorized, failedUser)
}

func TestMadeUpKeyIDsAreNotAskedForWithoutEnd(t *testing.T) {
	var requests atomic.Int32
	k := newKey(t, "k")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{k.public()}})
	}))
	defer server.Close()
	g := newGate(t, server.URL, "")
	for i := range 500 {
		k2 := key{fmt.Sprint("made up ", i), k.private}
		g.expect("a made-up ID", g.as(k2.user(nil)), http.StatusUnauthorized, failedUser)
	}
	if n := requests.Load(); n < 2 || n > 12 {
		t.Errorf("%d requests for keys", n)
	}
	g.expect("a user", g.as(k.user(nil)), http.StatusOK, "user user:default/jane")
	requests.Store(0)
	for i := range 500 {
		g.as(k.plugin(object{"sub": fmt.Sprint("made-up-", i)}))
	}
	if n := requests.Load(); n < 10 || n > 70 {
		t.Errorf("%d requests for keys of made-up plugins", n)
	}
	g.expect("a user", g.as(k.user(nil)), http.StatusOK, "user user:default/jane")
}
