package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/plugin"
)

// key turns the sandbox on.
const key = "understudy.sandbox.enabled"

// proxyRoute is the endpoint of Backstage's proxy that the frontend plugin, and the demo page, read Coder's API through.
const proxyRoute = "/coder"

// clientID is the client id of the host at the stand-in.
const clientID = "understudy-sandbox"

//go:embed schema.json
var configSchema []byte

// Extension returns the sandbox for a host that has the Coder plugin.
func Extension() plugin.Extension {
	return plugin.Extension{Name: "sandbox", Schema: configSchema, Key: key, Check: check, Open: extend}
}

// secrets are made up at the first start, and outlive a reload of the code.
type secrets struct {
	Client  string // of the OAuth2 client
	Session string // the key that sessions are sealed with
}

// extend starts the stand-in at coder.deployment.accessUrl and the demo app at app.baseUrl, with an OAuth2
// client and a session key made up for this run. Its layers take the place of whatever deployment the others
// name: no request of this host goes there.
func extend(ctx context.Context, env plugin.Environment) (layers []map[string]any, ready func(), err error) {
	if env.Production {
		return nil, nil, errors.New("config key '" + key + "' is true and NODE_ENV is production: " +
			"the sandbox lets anybody sign in; turn it off, or leave app-config.local.yaml at home")
	}
	coder, demo, environments, err := read(env.Config)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, nil, err
	}
	kept, err := memo.Of(env.Memo, "secrets", func() secrets { return secrets{rand.Text(), rand.Text() + rand.Text()} })
	if err != nil {
		return nil, nil, err
	}
	var made secrets
	kept.Do(func(s *secrets) { made = *s })
	box, err := Open(Options{
		CoderAddr: coder, DemoAddr: demo, BackendURL: env.BaseURL,
		Client: Client{ID: clientID, Secret: made.Client, RedirectURIs: []string{
			env.BaseURL + "/api/auth/coder/handler/frame",
			env.BaseURL + "/api/auth/coder/oauth/callback",
		}},
		Logger: env.Logger, Memo: env.Memo, Listen: env.Listen,
	})
	if err != nil {
		return nil, nil, err
	}
	env.Lifecycle.OnShutdown(box.Close)
	type object = map[string]any
	application := object{"clientId": clientID, "clientSecret": made.Client, "deploymentUrl": box.CoderURL()}
	layers = []object{{
		"app":        object{"baseUrl": box.DemoURL()},
		"proxy":      proxied(env.Config, box.CoderURL()),
		"coder":      object{"deployment": object{"accessUrl": box.CoderURL()}, "oauth": application},
		"understudy": object{"session": object{"keys": []any{made.Session}}},
	}}
	for _, name := range environments {
		layers = append(layers, object{"auth": object{"providers": object{"coder": object{name: application}}}})
	}
	return layers, func() {
		env.Logger.Info("the sandbox stands in for Coder", zap.String("url", box.CoderURL()))
		env.Logger.Info("open " + box.DemoURL() + " in a browser to sign in")
	}, nil
}

// proxied returns the part proxy of a layer that points the endpoint at the stand-in, in the form that the others use.
func proxied(config *appconfig.Config, target string) map[string]any {
	endpoints := map[string]any{proxyRoute: map[string]any{"target": target}}
	if section, ok, err := config.GetOptionalConfig("proxy"); ok && err == nil {
		if keys := section.Keys(); slices.Contains(keys, proxyRoute) && !slices.Contains(keys, "endpoints") {
			return endpoints // the older form
		}
	}
	return map[string]any{"endpoints": endpoints}
}

func check(config *appconfig.Config) error {
	_, _, _, err := read(config)
	return err
}

// read returns the addresses to listen on and the names of the environments.
func read(config *appconfig.Config) (coder, demo string, environments []string, err error) {
	coder, err1 := address(config, "coder.deployment.accessUrl", "localhost:7080")
	demo, err2 := address(config, "app.baseUrl", "localhost:3000")
	providers, ok, err3 := config.GetOptionalConfig("auth.providers.coder")
	if ok {
		environments = providers.Keys()
	}
	return coder, demo, environments, errors.Join(err1, err2, err3)
}

// address returns the host and port of the URL under key.
func address(config *appconfig.Config, key, otherwise string) (string, error) {
	value, ok, err := config.GetOptionalString(key)
	if err != nil || !ok {
		return otherwise, err
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" || !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("config key '%s' in '%s' is not that of this machine, and the sandbox is enabled: expected a loopback URL like http://%s",
			key, config.LayerOf(key), otherwise)
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80")), nil
}
