// Package plugintest gives a plugin's tests what a host would give the plugin: an environment, or a whole host.
package plugintest

import (
	"context"
	"errors"
	"net"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/discovery"
	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/plugin"
)

// Config returns the configuration of one layer, app-config.yaml with the given content.
func Config(t testing.TB, content string) *appconfig.Config {
	t.Helper()
	data, err := yaml.Parse([]byte(content))
	if err != nil {
		t.Fatalf("the test's config does not parse: %v", err)
	}
	object, _ := data.(*value.Object) // nil for an empty content, which is an empty object
	return appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: object})
}

// Environment returns what a host would give to p with the configuration in content, and the log lines of p. It fails
// the test for what a host refuses: an invalid plugin, or a config that does not match the schema. As in a host, the
// plugin sees only what its schema declares. Shutdown hooks run when the test ends. If content has no
// backend.baseUrl, it is http://localhost:7007.
func Environment(t testing.TB, p plugin.Plugin, content string) (plugin.Environment, *observer.ObservedLogs) {
	t.Helper()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	own, err1 := schema.Compile(p.Source())
	all, err2 := schema.Compile(host.Options{Plugins: []plugin.Plugin{p}}.Schemas()...)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	config := Config(t, content)
	base, ok, err := config.GetOptionalString("backend.baseUrl")
	if err := errors.Join(all.Validate(config), err); err != nil {
		t.Fatal(err)
	}
	if !ok {
		base = "http://localhost:7007"
	}
	endpoints, err := discovery.Read(config)
	if err != nil {
		t.Fatal(err)
	}
	found := new(discovery.Discovery)
	found.Use(endpoints, discovery.Defaults{Internal: base, External: base, Paths: map[string]string{p.ID: p.Path}})
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
		BaseURL:   base + "/api" + p.Path,
		Auth:      new(backstageauth.Barrier),
		Discovery: found,
		Lifecycle: hooks,
		Memo:      memo.New(nil, nil),
		Listen: func(ctx context.Context, _, address string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", address)
		},
	}, logs
}
