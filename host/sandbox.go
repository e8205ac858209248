package host

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
)

// sandboxClient is the client id of the host at the stand-in.
const sandboxClient = "understudy-sandbox"

// openSandbox starts the Coder stand-in at coder.deployment.accessUrl and the demo app at app.baseUrl, with
// an OAuth2 client and a session key made up for this run, and puts them into the overlay: whatever deployment
// the layers name, no request of this host goes to it.
func (h *Host) openSandbox(ctx context.Context, config *appconfig.Config, root *zap.Logger) error {
	baseURL, err1 := readBaseURL(config)
	coder, err2 := sandboxAddress(config, "coder.deployment.accessUrl", "localhost:7080")
	demo, err3 := sandboxAddress(config, "app.baseUrl", "localhost:3000")
	if err := errors.Join(err1, err2, err3, ctx.Err()); err != nil {
		return err
	}
	if h.environ("NODE_ENV") == "production" {
		return errors.New("config key 'understudy.sandbox.enabled' is true and NODE_ENV is production: " +
			"the sandbox lets anybody sign in; turn it off, or leave app-config.local.yaml at home")
	}
	secret := rand.Text()
	box, err := sandbox.Open(sandbox.Options{
		CoderAddr: coder, DemoAddr: demo, BackendURL: baseURL,
		Client: sandbox.Client{ID: sandboxClient, Secret: secret, RedirectURIs: []string{
			baseURL + "/api/auth/coder/handler/frame",
			baseURL + "/api/auth/coder/oauth/callback",
		}},
		Logger: root.With(zap.String("service", "sandbox")),
	})
	if err != nil {
		return err
	}
	h.sandbox = box
	application := object{"clientId": sandboxClient, "clientSecret": secret, "deploymentUrl": box.CoderURL()}
	h.overlay = append(h.overlay, object{
		"app":        object{"baseUrl": box.DemoURL()},
		"coder":      object{"deployment": object{"accessUrl": box.CoderURL()}, "oauth": application},
		"understudy": object{"session": object{"keys": []string{rand.Text() + rand.Text()}}},
	})
	environments, ok, err := config.GetOptionalConfig("auth.providers.coder")
	if err != nil || !ok {
		return err
	}
	for _, name := range environments.Keys() {
		h.overlay = append(h.overlay, object{"auth": object{"providers": object{"coder": object{name: application}}}})
	}
	return nil
}

// sandboxAddress returns the host and port of the URL under key.
func sandboxAddress(config *appconfig.Config, key, otherwise string) (string, error) {
	value, ok, err := config.GetOptionalString(key)
	if err != nil || !ok {
		return otherwise, err
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" || !sandbox.IsLoopback(u.Hostname()) {
		return "", fmt.Errorf("config key '%s' in '%s' is %q, and the sandbox is enabled: expected a loopback URL like http://%s",
			key, config.LayerOf(key), value, otherwise)
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80")), nil
}
