package discovery_test

import (
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/pkg/discovery"
)

func read(t *testing.T, endpoints string) (discovery.Endpoints, error) {
	t.Helper()
	data, err := yaml.Parse([]byte("discovery: {endpoints: " + endpoints + "}"))
	if err != nil {
		t.Fatal(err)
	}
	return discovery.Read(appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: data.(*value.Object)}))
}

var defaults = discovery.Defaults{
	Internal: "http://localhost:7007", External: "https://backstage.example.com", Paths: map[string]string{"coder": "/auth/coder"},
}

func TestPluginsAreFoundAsInBackstage(t *testing.T) {
	const here, there = "http://localhost:7007/api/", "https://backstage.example.com/api/"
	for name, test := range map[string]struct{ endpoints, id, internal, external string }{
		"by default":           {"[]", "catalog", here + "catalog", there + "catalog"},
		"a plugin here":        {"[]", "coder", here + "auth/coder", there + "auth/coder"},
		"an ID with a slash":   {"[]", "a/b ü", here + "a%2Fb%20%C3%BC", there + "a%2Fb%20%C3%BC"},
		"marks that stay":      {"[]", "a!'()*~._-", here + "a!'()*~._-", there + "a!'()*~._-"},
		"a string":             {"[{target: 'http://b:1/{{pluginId}}', plugins: [catalog]}]", "catalog", "http://b:1/catalog", "http://b:1/catalog"},
		"another plugin":       {"[{target: 'http://b:1/{{pluginId}}', plugins: [catalog]}]", "auth", here + "auth", there + "auth"},
		"spaces, twice":        {"[{target: 'http://b/{{ pluginId }}/{{pluginId  }}', plugins: [a/b]}]", "a/b", "http://b/a%2Fb/a%2Fb", "http://b/a%2Fb/a%2Fb"},
		"no placeholder":       {"[{target: 'http://b/x/', plugins: [a]}]", "a", "http://b/x", "http://b/x"},
		"in the name":          {"[{target: 'http://{{pluginId}}.svc/api', plugins: ['*']}]", "todo", "http://todo.svc/api", "http://todo.svc/api"},
		"internal alone":       {"[{target: {internal: 'http://b/{{pluginId}}'}, plugins: [a]}]", "a", "http://b/a", there + "a"},
		"external alone":       {"[{target: {external: 'http://b/{{pluginId}}'}, plugins: [a]}]", "a", here + "a", "http://b/a"},
		"both":                 {"[{target: {internal: 'http://i/{{pluginId}}', external: 'http://e/{{pluginId}}'}, plugins: [a]}]", "a", "http://i/a", "http://e/a"},
		"all":                  {"[{target: 'http://b/{{pluginId}}', plugins: ['*']}]", "coder", "http://b/coder", "http://b/coder"},
		"all, and one":         {"[{target: 'http://one', plugins: [a]}, {target: 'http://all', plugins: ['*']}]", "a", "http://one", "http://one"},
		"the later one":        {"[{target: 'http://one', plugins: [a]}, {target: {internal: 'http://two'}, plugins: [a]}]", "a", "http://two", "http://one"},
		"an SRV record":        {"[{target: {internal: 'http+srv://_a._tcp.b/api/{{pluginId}}/'}, plugins: [a]}]", "a", "http+srv://_a._tcp.b/api/a", there + "a"},
		"IDs tell case apart":  {"[{target: 'http://b', plugins: [Catalog]}]", "catalog", here + "catalog", there + "catalog"},
		"a target with dollar": {"[{target: 'http://b/$&/{{pluginId}}', plugins: [a]}]", "a", "http://b/$&/a", "http://b/$&/a"},
	} {
		endpoints, err := read(t, test.endpoints)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d := new(discovery.Discovery)
		d.Use(endpoints, defaults)
		internal, err1 := d.Target(test.id)
		external, err2 := d.ExternalBaseURL(test.id)
		if internal != test.internal || external != test.external || err1 != nil || err2 != nil {
			t.Errorf("%s: %s and %s, want %s and %s; %v, %v", name, internal, external, test.internal, test.external, err1, err2)
		}
	}
}

func TestEndpointsThatCannotBeReadAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ endpoints, err string }{
		"no target":          {"[{plugins: [a]}]", "Missing required config value at 'discovery.endpoints[0].target'"},
		"no plugins":         {"[{target: 'http://b'}]", "Missing required config value at 'discovery.endpoints[0].plugins'"},
		"a number":           {"[{target: 1, plugins: [a]}]", "discovery.endpoints[0].target"},
		"no URL":             {"[{target: '/api/{{pluginId}}', plugins: [a]}]", "config key 'discovery.endpoints[0].target' in 'app-config.yaml': it is not a URL"},
		"another scheme":     {"[{target: 'ftp://b', plugins: [a]}]", "expected a URL with http, https, http+srv or https+srv"},
		"SRV in a string":    {"[{target: 'http+srv://b', plugins: [a]}]", "SRV resolver URLs cannot be used in the target for external endpoints"},
		"SRV for browsers":   {"[{target: {external: 'http+srv://b'}, plugins: [a]}]", "'discovery.endpoints[0].target.external' in 'app-config.yaml': SRV resolver URLs cannot be used in the target for external endpoints"},
		"SRV with a port":    {"[{target: {internal: 'http+srv://b:80'}, plugins: [a]}]", "'discovery.endpoints[0].target.internal' in 'app-config.yaml': SRV resolver URLs cannot contain a port"},
		"SRV with a user":    {"[{target: {internal: 'http+srv://u:secret@b'}, plugins: [a]}]", "SRV resolver URLs cannot contain username or password"},
		"SRV with a query":   {"[{target: {internal: 'http+srv://b/?secret'}, plugins: [a]}]", "SRV resolver URLs cannot contain search params or a hash"},
		"SRV of another one": {"[{target: {internal: 'ftp+srv://b'}, plugins: [a]}]", "expected a URL with http, https, http+srv or https+srv"},
		"all at once":        {"[{target: 'ftp://secret@b', plugins: [a]}, {plugins: [a]}]", "Missing required config value at 'discovery.endpoints[1].target'"},
	} {
		_, err := read(t, test.endpoints)
		if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", name, err, test.err)
		}
	}
}

func TestPluginsElsewhereAreFoundBehindTheFallback(t *testing.T) {
	d := new(discovery.Discovery)
	if _, err := d.BaseURL(t.Context(), "a"); err == nil {
		t.Error("no error before there is a configuration")
	}
	changed := defaults
	changed.Elsewhere = "http://node:7007"
	d.Use(discovery.Endpoints{}, changed)
	for id, want := range map[string]string{"auth": "http://node:7007/api/auth", "coder": "http://localhost:7007/api/auth/coder"} {
		if got, err := d.BaseURL(t.Context(), id); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", id, got, err, want)
		}
	}
	if got, _ := d.ExternalBaseURL("auth"); got != "https://backstage.example.com/api/auth" {
		t.Errorf("browsers find auth at %s", got)
	}
}

func TestOwnAddressIsThatOfANeighbour(t *testing.T) {
	for _, test := range []struct {
		tls  bool
		host string
		want string
	}{
		{false, "", "http://localhost:80"},
		{false, "::", "http://localhost:80"},
		{false, "0.0.0.0", "http://127.0.0.1:80"},
		{true, "backend", "https://backend:80"},
		{false, "::1", "http://[::1]:80"},
		{false, "[::1]", "http://[::1]:80"},
	} {
		if got := discovery.Local(test.tls, test.host, 80); got != test.want {
			t.Errorf("%q: %s, want %s", test.host, got, test.want)
		}
	}
}
