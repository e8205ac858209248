package doctor_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/host/doctor"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// guarded is a plugin that asks for credentials, unless its config says that it is public.
func guarded() plugin.Plugin {
	return plugin.Plugin{
		ID: "guarded", Path: "/guarded", Schema: []byte(`{"type":"object","properties":{"guarded":{"type":"object","properties":{"public":{"type":"boolean"}}}}}`),
		Public: func(config *appconfig.Config) bool {
			public, _, _ := config.GetOptionalBoolean("guarded.public")
			return public
		},
		New: func(context.Context, plugin.Environment) (http.Handler, error) { return http.NotFoundHandler(), nil },
	}
}

func TestKeysOfTokensAreLookedForWhereDiscoverySays(t *testing.T) {
	const set = `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"k"}]}`
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/auth/.well-known/jwks.json", "/there/auth/.well-known/jwks.json":
			_, _ = io.WriteString(w, set)
		case "/empty/.well-known/jwks.json":
			_, _ = io.WriteString(w, `{"keys":[]}`)
		case "/page/.well-known/jwks.json":
			_, _ = io.WriteString(w, "<html>secret</html>")
		default:
			http.NotFound(w, r)
		}
	}))
	defer node.Close()
	endpoint := func(target string) string {
		return "discovery: {endpoints: [{target: '" + target + "', plugins: [auth]}]}"
	}
	const missing = "no user can call guarded; set understudy.fallback.target to the backend with the auth plugin, or discovery.endpoints for auth"
	for name, test := range map[string]struct{ content, want string }{
		"behind the fallback":  {"understudy: {fallback: {target: '" + node.URL + "'}}", "ok | the keys of Backstage's tokens | 1 at " + node.URL + "/api/auth/.well-known/jwks.json"},
		"by discovery":         {endpoint(node.URL + "/there/{{pluginId}}"), "ok | the keys of Backstage's tokens | 1 at " + node.URL + "/there/auth/.well-known/jwks.json"},
		"no auth plugin":       {endpoint(node.URL + "/x"), "WRONG | the keys of Backstage's tokens | get keys from " + node.URL + "/x/.well-known/jwks.json: status 404, expected 200: " + missing},
		"a page":               {endpoint(node.URL + "/page"), "the answer is not a JSON Web Key Set: " + missing},
		"nobody":               {endpoint("http://127.0.0.1:1"), "WRONG | the keys of Backstage's tokens | get keys from http://127.0.0.1:1/.well-known/jwks.json: dial tcp"},
		"none yet":             {endpoint(node.URL + "/empty"), "doubt | the keys of Backstage's tokens | there are none at " + node.URL + "/empty/.well-known/jwks.json"},
		"nowhere":              {"{}", "WRONG | the keys of Backstage's tokens | "},
		"nobody needs them":    {"guarded: {public: true}", ""},
		"the policy is off":    {"backend: {auth: {dangerouslyDisableDefaultAuthPolicy: true}}", ""},
		"a wrong entry":        {endpoint("nonsense"), "WRONG | the configuration | config key 'discovery.endpoints[0].target'"},
		"a password in a URL ": {endpoint("http://user:secret@127.0.0.1:1"), "WRONG | the keys of Backstage's tokens | "},
	} {
		var lines strings.Builder
		config := plugintest.Config(t, test.content)
		base := plugintest.Config(t, "app: {baseUrl: 'http://127.0.0.1:1'}\nbackend: {baseUrl: 'http://127.0.0.1:1', listen: '127.0.0.1:1'}")
		config = appconfig.New(append(base.Layers(), config.Layers()...)...)
		err := doctor.Run(t.Context(), host.Options{Plugins: []plugin.Plugin{guarded()}}, config, func(f plugin.Finding) {
			lines.WriteString(f.Result.String() + " | " + f.Of + " | " + f.Text + "\n")
		})
		got := lines.String()
		if err != nil || !strings.Contains(got, test.want) || strings.Contains(got, "secret") || test.want == "" && strings.Contains(got, "keys") {
			t.Errorf("%s: %v, not said: %s\n%s", name, err, test.want, got)
		}
	}
}
