package appschema_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/appschema"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

const own = `{"type": "object", "properties": {
	"backend": {"type": "object", "properties": {"listen": {"anyOf": [{"type": "string"}, {"type": "object"}]}, "baseUrl": {"type": "string"}}},
	"coder": {"type": "object", "properties": {"oauth": {"type": "object", "properties": {"clientSecret": {"type": "string", "visibility": "secret"}, "timeout": {"type": "string"}}}}},
	"auth": {"type": "object", "properties": {"providers": {"type": "object", "additionalProperties": {"type": "object"}}}},
	"understudy": {"type": "object", "properties": {"fallback": {"type": "object", "properties": {"target": {"type": "string"}}}}}
}}`

func source(text string) []schema.Source {
	return []schema.Source{{PackageName: "p", Path: "p.json", Value: []byte(text)}}
}

func config(t *testing.T, text string) *appconfig.Config {
	t.Helper()
	v, err := yaml.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: v.(*value.Object)})
}

func newApp(t *testing.T, app []schema.Source, whole bool) *appschema.App {
	t.Helper()
	a, err := appschema.New(source(own), app, whole)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A key that nobody knows is a mistake if it is like one that is known there, and of another plugin if not.
func TestStrictTellsMistakesFromKeysOfOthers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{ // "wrong | others"
		`backend: {listen: x, baseUrl: x, database: {client: pg}}`: " | ",
		`backend: {lisen: x}`:                               "lisen at /backend listen | ",
		`backend: {LISTEN: x}`:                              "LISTEN at /backend listen | ",
		`backend: {lsiten: x}`:                              "lsiten at /backend listen | ",
		`backend: {cach: x}`:                                "cach at /backend cache | ",
		`permissions: {}`:                                   "permissions at  permission | ",
		`catalog: {provider: {}}`:                           "provider at /catalog providers | ",
		`integrations: {github: [{hots: x}]}`:               "hots at /integrations/github/0 host | ",
		`understudy: {zebra: 1}`:                            "zebra at /understudy | ",
		`jira: {}`:                                          " | jira",
		`argocd: {}`:                                        " | argocd",
		`sonarqube: {}`:                                     " | sonarqube",
		`techRadar: {url: x}`:                               " | techRadar",
		`costInsights: {}`:                                  " | costInsights",
		`pagerDuty: {}`:                                     " | pagerDuty",
		`backend: {slack: {}}`:                              " | backend.slack",
		`app: {analytics: {ga: {}}}`:                        " | app.analytics",
		`integrations: {github: [{own: 1}, {own: 2}]}`:      " | integrations.github.own",
		`backend: {database: {knexConfig: {anything: {}}}}`: " | ",
		`catalog: {providers: {github: {mine: {host: x}}}}`: " | ",
		`auth: {providers: {github: {dev: {clientSecert: x}}, oidc2: {dev: {clientSecert: x}}}}`: "clientSecert at /auth/providers/github/dev clientSecret | ",
		`auth: {providers: {github: {dev: {own: x}}}}`:                                           " | ",
		`coder: {oauth: {clientSecret: x, clientSecert: y}}`:                                     "clientSecert at /coder/oauth clientSecret | ",
	} {
		wrong, others, err := newApp(t, nil, false).Strict(config(t, text), false)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(wrong, " ") + " | " + strings.Join(others, " ")
		got = strings.NewReplacer("Config must NOT have additional properties { additionalProperty=", "", " }", "", "  did you mean '", "", "'?", "").Replace(got)
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// What the app's schemas declare is as they say, and this program adds its other keys alone.
func TestOwnSchemasGiveWayToTheApps(t *testing.T) {
	t.Parallel()
	app := source(`{"type": "object", "properties": {"backend": {"type": "object", "properties": {"listen": {"anyOf": [{"type": "boolean"}, {"type": "array"}]}}},
		"coder": {"type": "object", "properties": {"oauth": {"type": "object", "properties": {"clientSecret": {"type": "string", "visibility": "frontend"}}}}}}}`)
	a := newApp(t, app, true)
	for text, want := range map[string]string{
		`coder: {oauth: {clientSecret: x, timeout: 1s}}`: "",
		`backend: {listen: true}`:                        "",
		`understudy: {fallback: {target: []}}`:           "Config must be string { type=string } at /understudy/fallback/target", // it would not start
		`backend: {listen: x}`:                           "Config must be boolean { type=boolean } at /backend/listen, Config must be array { type=array } at /backend/listen, Config must match a schema in anyOf {  } at /backend/listen",
		`understudy: {fallback: {target: x}}`:            "",
		`jira: 1`:                                        "Config must NOT have additional properties { additionalProperty=jira } at ",
	} {
		wrong, others, err := a.Strict(config(t, text), false)
		if got := strings.Join(wrong, ", "); err != nil || others != nil || got != want {
			t.Errorf("%s: %q, %v, %v, want %q", text, got, others, err, want)
		}
	}
	filtered, err := a.Schema().Process(config(t, `coder: {oauth: {clientSecret: x, timeout: 1s}}`), schema.Options{Visibility: []string{"frontend"}})
	if err != nil || string(value.FormatJSON(filtered[0].Data)) != `{"coder":{"oauth":{"clientSecret":"x"}}}` {
		t.Errorf("the frontend sees %v, %v", filtered, err)
	}
}

// Secrets of the whole app are known, but not what is beside a secret.
func TestSecretsOfTheApp(t *testing.T) {
	t.Parallel()
	text := `{coder: {oauth: {clientSecret: one}}, backend: {cache: {connection: two}, database: {connection: {host: h, port: 5432, password: three}}, baseUrl: u},
		integrations: {github: [{host: g, token: four}]}}`
	got := newApp(t, nil, false).Secrets(config(t, text))
	slices.Sort(got)
	if diff := cmp.Diff([]string{"four", "one", "three", "two"}, slices.Compact(got)); diff != "" {
		t.Error(diff)
	}
}

func TestUnreadKeysAreThoseThatAreKnown(t *testing.T) {
	t.Parallel()
	text := `{backend: {listen: x, rateLimit: {window: 1}, own: 1, database: {client: pg}}, discovery: {endpoints: []}, proxy: {endpoints: {}, own: 1}, search: {}, app: {title: x},
		auth: {providers: {coder: {x: 1}, github: {}}}}`
	for _, app := range [][]schema.Source{nil, source(`{"properties": {"proxy": {"properties": {"own": {}}}}}`)} {
		got, err := newApp(t, app, app != nil).Unread(config(t, text), "backend", "proxy", "discovery", "coder")
		want := []string{"backend.database", "backend.rateLimit", "discovery.endpoints", "proxy.endpoints"}
		if app != nil {
			want = []string{"proxy.own"}
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v: %v %s", app, err, diff)
		}
	}
}

func TestBuiltAppsAreFound(t *testing.T) {
	t.Parallel()
	for manifest, want := range map[string][]string{
		`{"workspaces": ["packages/*", "plugins/*"]}`:  {"packages/app", "plugins/x"},
		`{"workspaces": {"packages": ["packages/*"]}}`: {"packages/app"},
		`{"workspaces": ["packages/app"]}`:             {"packages/app"},
		`{"workspaces": "packages/*"}`:                 nil,
		`{}`:                                           nil,
	} {
		dir := t.TempDir()
		for path, text := range map[string]string{
			"package.json": manifest, "packages/app/dist/.config-schema.json": "{}", "packages/backend/dist/other": "", "plugins/x/dist/.config-schema.json": "{}",
		} {
			path = filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, path := range appschema.Built(dir) {
			path, err := filepath.Rel(dir, filepath.Dir(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, filepath.ToSlash(path))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", manifest, diff)
		}
	}
}
