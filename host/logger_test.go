package host_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// talker is a plugin that logs each request, with a logger that it made at its start.
func talker() plugin.Plugin {
	return plugin.Plugin{ID: "talker", Path: "/talker", Schema: []byte(`{"type": "object"}`), New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
		env.Auth.Allow("/", backstageauth.Unauthenticated)
		log := env.Logger.With(zap.String("part", "handler"))
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { // the answer goes out after it
			log.Debug("quiet")
			log.Info("loud")
		}), nil
	}}
}

// The level, the fields and the overrides of backend.logger change with the config. The plugin is not made again.
func TestLoggerSettingsTakeEffectWithoutARestart(t *testing.T) {
	h := plugintest.Open(t, "", talker())
	for _, step := range []struct{ logger, wait, want string }{
		{"{level: debug}", "the changed config is in use", `debug quiet part="handler", info loud part="handler"`},
		{"{meta: {region: eu}}", "the changed config is in use", `info loud region="eu" part="handler"`},
		{"{overrides: [{matchers: {message: quiet, part: '/^HAND/i'}, level: debug}, {matchers: {type: plugin}, level: error}]}", "the changed config is in use", `debug quiet part="handler"`},
		{"{level: chatty}", "is not used: it has an error", `debug quiet part="handler"`}, // the last good one stays
		{"{level: warn, overrides: [{matchers: {service: host}, level: info}]}", "the changed config is in use", ""},
		{"{}", "the changed config is in use", `info loud part="handler"`},
	} {
		h.Write("backend: {logger: " + step.logger + "}")
		h.Log.Wait(t, step.wait)
		begin := len(h.Log.String())
		if status, body, _ := get(t, h.URL()+"/api/talker/x"); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		var got []string
		for line := range strings.Lines(h.Log.String()[begin:]) {
			if _, said, found := strings.Cut(line, "Z talker "); found {
				got = append(got, strings.Join(strings.Fields(strings.ReplaceAll(said, `type="plugin" `, "")), " "))
			}
		}
		if got := strings.Join(got, ", "); got != step.want {
			t.Errorf("with %s the log has %q of a request, want %q", step.logger, got, step.want)
		}
	}
	if strings.Contains(h.Log.String(), "the plugin uses the changed config") {
		t.Error("the plugin was made again")
	}
}

// The settings are in use before the first line of a start.
func TestLoggerSettingsAreInUseAtTheStart(t *testing.T) {
	early := plugin.Extension{Name: "early", Key: "early", Check: func(*appconfig.Config) error { return nil }, Open: func(_ context.Context, env plugin.Environment) ([]map[string]any, func(), error) {
		env.Logger.Warn("opened")
		return nil, nil, nil
	}}
	h := plugintest.OpenOptions(t, "backend: {logger: {level: error}}\nearly: true\nx: ${NOT_SET_HERE}\n", host.Options{
		Plugins: []plugin.Plugin{talker()}, Extensions: []plugin.Extension{early},
	})
	if got := h.Log.String(); got != "" {
		t.Errorf("at level error a start logs\n%s", got)
	}
}

func TestLogFormatOfAHost(t *testing.T) {
	for _, c := range []struct {
		environ, format, want string
	}{{"", "", "2"}, {"NODE_ENV=production", "", "{"}, {"NODE_ENV=production", "text", "2"}, {"", "json", "{"}} {
		o := host.Options{LogFormat: c.format}
		o.Config.Environ = []string{c.environ}
		if got := plugintest.OpenOptions(t, "", o).Log.String(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s, format %q: %s", c.environ, c.format, got)
		}
	}
}
