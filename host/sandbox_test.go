package host_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// Whatever Coder the layers name, with the sandbox on nothing is sent to it.
func TestSandboxTakesThePlaceOfEveryDeployment(t *testing.T) {
	var given struct {
		App   struct{ BaseURL string }
		Coder struct{ Deployment, OAuth map[string]string }
		Auth  struct {
			Providers struct{ Coder map[string]map[string]string }
		}
		Proxy struct {
			Endpoints map[string]struct{ Target, Credentials string }
		}
		Understudy struct{ Session struct{ Keys []string } }
	}
	peek := plugin.Plugin{
		ID: "peek", Path: "/peek", Schema: []byte(`{"type":"object","properties":{"app":{},"auth":{},"coder":{},"proxy":{},"understudy":{}}}`),
		New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
			env.Auth.Allow("/", backstageauth.Unauthenticated)
			data, err := env.Config.Get("")
			if err != nil {
				return nil, err
			}
			text, err := json.Marshal(data)
			if err != nil {
				return nil, err
			}
			return http.NotFoundHandler(), json.Unmarshal(text, &given)
		},
	}
	h := plugintest.OpenOptions(t, `
app: {baseUrl: http://localhost:0}
understudy: {sandbox: {enabled: true}}
proxy: {endpoints: {/coder: {target: 'https://coder.example.com', credentials: forward}}}
coder:
  deployment: {accessUrl: http://localhost:0}
  oauth: {clientId: real, clientSecret: real-secret, deploymentUrl: https://coder.example.com}
auth:
  providers:
    coder:
      production: {clientId: real, clientSecret: real-secret, deploymentUrl: https://coder.example.com}
`, host.Options{Plugins: []plugin.Plugin{peek}, Extensions: []plugin.Extension{sandbox.Extension()}})
	stand, secret := given.Coder.Deployment["accessUrl"], given.Coder.OAuth["clientSecret"]
	want := map[string]string{"clientId": "understudy-sandbox", "clientSecret": secret, "deploymentUrl": stand}
	if !strings.HasPrefix(stand, "http://localhost:") || len(secret) < 20 {
		t.Fatalf("coder: %v", given.Coder)
	}
	if diff := cmp.Diff(want, given.Coder.OAuth); diff != "" {
		t.Errorf("coder.oauth (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]map[string]string{"production": want}, given.Auth.Providers.Coder); diff != "" {
		t.Errorf("auth.providers.coder (-want +got):\n%s", diff)
	}
	if endpoint := given.Proxy.Endpoints["/coder"]; endpoint.Target != stand || endpoint.Credentials != "forward" {
		t.Errorf("proxy: %v", given.Proxy)
	}
	if keys := given.Understudy.Session.Keys; len(keys) != 1 || len(keys[0]) < 32 {
		t.Errorf("%d session keys", len(keys))
	}
	if status, body, _ := get(t, given.App.BaseURL); status != 200 || !strings.Contains(body, stand) {
		t.Errorf("the demo app: %d %s", status, body)
	}
	if got := h.Log.String(); !strings.Contains(got, `layers=["defaults.yaml","app-config.yaml"]`) || strings.Contains(got, secret) {
		t.Errorf("log:\n%s", got)
	}
}
