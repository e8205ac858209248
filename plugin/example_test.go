package plugin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/gorilla/mux"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// greeter is a whole plugin: GET /api/greeter/hello says what the config says.
func greeter() plugin.Plugin {
	return plugin.Plugin{
		ID:   "greeter",
		Path: "/greeter",
		Schema: []byte(`{
			"type": "object",
			"required": ["greeter"],
			"properties": {"greeter": {
				"type": "object",
				"required": ["greeting"],
				"properties": {
					"greeting": {"type": "string"},
					"password": {"type": "string", "visibility": "secret"}
				}
			}}
		}`),
		New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
			greeting, err := env.Config.GetString("greeter.greeting")
			if err != nil {
				return nil, err
			}
			env.Auth.Allow("/hello", backstageauth.Unauthenticated)
			env.Logger.Info("greeting people at " + env.BaseURL)
			router := mux.NewRouter()
			router.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, greeting)
			}).Methods(http.MethodGet)
			return router, nil
		},
	}
}

// A host serves the plugin. Here it is configured by the environment alone.
func Example() {
	h := host.New(host.Options{
		Plugins: []plugin.Plugin{greeter()},
		Log:     io.Discard,
		Config: appconfig.Options{AllowMissingDefault: true, Environ: []string{
			"APP_CONFIG_greeter_greeting=Hello",
			"APP_CONFIG_backend_baseUrl=http://localhost:0",
			"APP_CONFIG_backend_listen=127.0.0.1:0",
		}},
	})
	if err := h.Open(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = h.Close() }()
	answer, err := http.Get(h.URL() + "/api/greeter/hello")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.Status, string(body))
	// Output:
	// 200 OK Hello
}

// The plugin's own test runs it in a real host.
func TestGreeter(t *testing.T) {
	h := plugintest.Open(t, "greeter: {greeting: Hello}", greeter())
	for _, want := range []string{"Hello", "Good morning"} {
		h.Write("greeter: {greeting: " + want + "}")
		if want != "Hello" {
			h.Log.Wait(t, "the changed config is in use")
		}
		answer, err := http.Get(h.URL() + "/api/greeter/hello")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if string(body) != want {
			t.Errorf("%s, want %s", body, want)
		}
	}
}
