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
// an OAuth2 client made up for this run, and puts both into the overlay: whatever deployment the layers name,
// no request of this host goes to it.
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
	for key, value := range map[string]string{
		"app.baseUrl":                box.DemoURL(),
		"coder.deployment.accessUrl": box.CoderURL(),
		"coder.oauth.clientId":       sandboxClient,
		"coder.oauth.clientSecret":   secret,
	} {
		set(h.overlay.Data, key, value)
	}
	environments, ok, err := config.GetOptionalConfig("auth.providers.coder")
	if err != nil || !ok {
		return err
	}
	for _, name := range environments.Keys() {
		prefix := "auth.providers.coder." + name + "."
		set(h.overlay.Data, prefix+"clientId", sandboxClient)
		set(h.overlay.Data, prefix+"clientSecret", secret)
		set(h.overlay.Data, prefix+"deploymentUrl", box.CoderURL())
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
