package host_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// mounted matches the line of a plugin that has started.
var mounted = regexp.MustCompile(`moody +info +plugin mounted`)

// moody is a plugin that fails in the way that its config says.
func moody() plugin.Plugin {
	return plugin.Plugin{
		ID: "moody", Path: "/moody", Schema: []byte(`{"type":"object","properties":{"mood":{"type":"string"}}}`),
		New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
			env.Auth.Allow("/", backstageauth.Unauthenticated)
			mood, _, err := env.Config.GetOptionalString("mood")
			switch {
			case err != nil:
				return nil, err
			case strings.HasPrefix(mood, "bad"):
				return nil, errors.New("the mood is " + mood)
			case mood == "panic":
				panic("the mood is a panic")
			case mood == "nothing":
				return nil, nil
			}
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, mood) }), nil
		},
	}
}

const (
	mayFail = "backend: {startup: {plugins: {moody: {onPluginBootFailure: continue}}}}\n"
	allMay  = "backend: {startup: {default: {onPluginBootFailure: continue}}}\n"
)

// The answers are those that were seen of a Node backend.
func TestPluginThatMayFailLeavesTheOthersServing(t *testing.T) {
	for mood, cause := range map[string]string{
		"bad": "the mood is bad", "panic": "panicked while it was set up: the mood is a panic", "nothing": "New returned no handler",
		"{}": "Config validation failed, Config must be string { type=string } at /mood in 'app-config.yaml'", "''": "got empty-string, wanted string",
	} {
		for _, policy := range []string{mayFail, allMay} {
			h := plugintest.Open(t, policy+"echo: {word: one}\nmood: "+mood+"\n", moody(), echo())
			log := h.Log.Wait(t, "Plugin 'moody' threw an error during startup, but boot failure is permitted for this plugin so startup will continue.")
			if !strings.Contains(log, "plugin moody: ") || !strings.Contains(log, cause) || !strings.Contains(log, `remedy="mend its config`) {
				t.Errorf("%s: the log says %s", mood, log)
			}
			for path, want := range map[string]string{
				"/api/moody/a%2Fb?code=s3cret": `{"error":{"name":"ServiceUnavailableError","message":"Service has not started up yet"},` +
					`"request":{"method":"GET","url":"/a%2Fb?code=***"},"response":{"statusCode":503}}`,
				"/api/moody": `{"error":{"name":"ServiceUnavailableError","message":"Service has not started up yet"},` +
					`"request":{"method":"GET","url":"/"},"response":{"statusCode":503}}`,
				"/api/echo/word":                  "one",
				"/.backstage/health/v1/readiness": `{"status":"ok"}`,
			} {
				status, body, header := get(t, h.URL()+path)
				if (status == 503) != strings.Contains(path, "moody") || body != want {
					t.Errorf("%s: GET %s: %d %s, want %s", mood, path, status, body, want)
				}
				if status == 503 && header.Get("Content-Type") != "application/json; charset=utf-8" {
					t.Errorf("%s: a body of type %s", mood, header.Get("Content-Type"))
				}
			}
			if mounted.MatchString(h.Log.String()) {
				t.Errorf("%s: the log says that the plugin is mounted", mood)
			}
		}
	}
}

func TestReloadBringsUpAPluginThatHasNotStarted(t *testing.T) {
	h := plugintest.Open(t, mayFail+"echo: {word: one}\nmood: {}\n", moody(), echo())
	for _, step := range []struct{ yaml, log, moody, word string }{
		{"echo: {word: two}\nmood: {}\n", "a part of the changed config is not used: it has an error", "", "two"},
		{"echo: {word: three}\nmood: bad\n", "plugin moody: the mood is bad", "", "three"},
		{"echo: {word: three}\nmood: bad as well\n", "plugin moody: the mood is bad as well", "", "three"},
		{"echo: {word: three}\nmood: panic\n", "plugin moody: panicked while it was set up", "", "three"},
		{"echo: {word: three}\nmood: good\n", `the changed config is in use changed=["mood"] inUse=["plugin moody"]`, "good", "three"},
		{"echo: {word: four}\nmood: bad again\n", "plugin moody: the mood is bad again", "good", "four"},
		{"echo: {word: five}\nmood: {}\n", "the changed config is not used: it has an error", "good", "four"}, // it runs, and has to match
	} {
		h.Write(mayFail + step.yaml)
		h.Log.Wait(t, step.log)
		status, body, _ := get(t, h.URL()+"/api/moody/")
		if step.moody == "" && status != 503 || step.moody != "" && body != step.moody {
			t.Errorf("after %q the plugin answers %d %s", step.yaml, status, body)
		}
		if _, body, _ := get(t, h.URL()+"/api/echo/word"); body != step.word {
			t.Errorf("after %q the other plugin answers %s, want %s", step.yaml, body, step.word)
		}
	}
	for cause, want := range map[string]int{
		`error="plugin moody: the mood is bad"`: 1, `error="plugin moody: Config validation failed`: 2, // the start, and a reload
	} {
		if n := strings.Count(h.Log.String(), cause); n != want {
			t.Errorf("the log says %d times %s, want %d:\n%s", n, cause, want, h.Log)
		}
	}
}

func TestPluginThatHasToStartStopsTheStart(t *testing.T) {
	for name, test := range map[string]struct{ yaml, want string }{
		"by default":       {"mood: bad\n", "plugin moody: the mood is bad"},
		"abort":            {"backend: {startup: {default: {onPluginBootFailure: continue}, plugins: {moody: {onPluginBootFailure: abort}}}}\nmood: bad\n", "plugin moody: the mood is bad"},
		"only another may": {"backend: {startup: {plugins: {echo: {onPluginBootFailure: continue}}}}\nmood: panic\n", "plugin moody: panicked"},
		"its own schema":   {"mood: {}\n", "Config must be string { type=string } at /mood in 'app-config.yaml'"},
		"the host's part":  {allMay + "app: {title: {}}\n", "Config must be string { type=string } at /app/title in 'app-config.yaml'"},
		"a typo": {
			"backend: {startup: {plugins: {moody: {onPluginBootFailure: contineu}}}}\n",
			"Config must be equal to one of the allowed values { allowedValues=continue,abort } at /backend/startup/plugins/moody/onPluginBootFailure in 'app-config.yaml'",
		},
	} {
		_, err := plugintest.Start(t, test.yaml+"echo: {word: one}\n", options(moody(), echo()))
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the start ends with %v, want %s", name, err, test.want)
		}
	}
}

// A file for a Node backend may have these keys for its own plugins and modules.
func TestStartupKeysOfANodeBackendPass(t *testing.T) {
	plugintest.Open(t, `
backend:
  startup:
    default: {onPluginBootFailure: abort, onPluginModuleBootFailure: continue}
    plugins:
      auth: {onPluginBootFailure: continue, modules: {github-provider: {onPluginModuleBootFailure: continue}}}
      catalog: {}
echo: {word: one}
`, echo())
}
