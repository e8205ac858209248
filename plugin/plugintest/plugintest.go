// Package plugintest gives a plugin's tests what the host would give the plugin.
package plugintest

import (
	"context"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/plugin"
)

// Config returns the configuration of one layer, app-config.yaml with the given text.
func Config(t testing.TB, text string) *appconfig.Config {
	t.Helper()
	data, err := yaml.Parse([]byte(text))
	if err != nil {
		t.Fatalf("the test's config does not parse: %v", err)
	}
	object, ok := data.(*value.Object)
	if !ok {
		object = new(value.Object)
	}
	return appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: object})
}

// Environment returns what the host would give to p under the configuration in yaml, and the log lines that
// p writes. As in the host, the plugin sees only what its schema declares. Shutdown hooks run when the test
// ends; backend.baseUrl is http://localhost:7007 when yaml has none.
func Environment(t testing.TB, p plugin.Plugin, yaml string) (plugin.Environment, *observer.ObservedLogs) {
	t.Helper()
	own, err := schema.Compile(schema.Source{PackageName: p.ID, Path: "schema.json", Value: p.Schema})
	if err != nil {
		t.Fatalf("the schema of plugin %s: %v", p.ID, err)
	}
	config := Config(t, yaml)
	base, ok, err := config.GetOptionalString("backend.baseUrl")
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		base = "http://localhost:7007"
	}
	core, logs := observer.New(zap.DebugLevel)
	hooks := new(plugin.Lifecycle)
	t.Cleanup(func() {
		if err := hooks.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown of plugin %s: %v", p.ID, err)
		}
	})
	return plugin.Environment{
		Logger:    zap.New(core).With(zap.String("type", "plugin"), zap.String("plugin", p.ID)),
		Config:    own.Scope(config),
		Discovery: plugin.NewDiscovery(base),
		Lifecycle: hooks,
	}, logs
}
