package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// line is a line of the host's log in production.
type line struct {
	Level, Service, Message, Error string
	Changed, InUse, NotInUse, Keys []string
	Warnings                       []string
}

// helper is an extension with a key of its own besides the one that turns it on, and a value that it sets.
func helper() plugin.Extension {
	return plugin.Extension{
		Name: "helper", Key: "helper.enabled",
		Schema: []byte(`{"type":"object","properties":{"helper":{"type":"object","properties":{"enabled":{"type":"boolean"},"size":{"type":"number"}}}}}`),
		Check:  func(*appconfig.Config) error { return nil },
		Open: func(context.Context, plugin.Environment) ([]map[string]any, func(), error) {
			return []map[string]any{{"echo": map[string]any{"password": "of the helper"}}}, nil, nil
		},
	}
}

// reports returns the lines of the log about a change, since the last call.
func reports(t *testing.T, h *plugintest.Host, from *int) (lines []line) {
	t.Helper()
	text := h.Log.String()
	for part := range strings.SplitSeq(strings.TrimSpace(text[*from:]), "\n") {
		var l line
		_ = json.Unmarshal([]byte(part), &l) // keys is a number in one of them
		if l.Service == "host" && l.Level != "debug" || len(l.Keys) > 0 {
			lines = append(lines, l)
		}
	}
	*from = len(text)
	return lines
}

func TestOneLineSaysWhatAReloadHasPutIntoUse(t *testing.T) {
	const restart = ": restart the host to put it into use"
	inUse := func(changed, parts string) []line {
		return []line{{Level: "info", Service: "host", Message: "the changed config is in use", Changed: strings.Fields(changed), InUse: strings.Split(parts, ", ")}}
	}
	partly := func(changed, parts string, unused ...string) []line {
		l := line{Level: "warn", Service: "host", Message: "a part of the changed config is not used" + restart, Changed: strings.Fields(changed), InUse: []string{}, NotInUse: unused}
		if parts != "" {
			l.InUse = strings.Split(parts, ", ")
		}
		return []line{l}
	}
	unread := func(keys ...string) line {
		return line{Level: "debug", Service: "host", Message: "nothing here reads some changed keys of the config", Keys: keys}
	}
	noEffect := line{Level: "info", Service: "host", Message: "the changed config has no effect here: nothing here reads the keys that changed"}
	const base = "echo: {word: one}\n"
	for name, steps := range map[string][]struct {
		yaml string
		want []line
	}{
		"a plugin": {{"echo: {word: two}\n", inUse("echo.word", "plugin echo")}},
		"the server": {
			{base + "backend: {csp: {img-src: ['*']}, lifecycle: {serverShutdownDelay: 1s}}\n", inUse("backend.csp.img-src backend.lifecycle.serverShutdownDelay", "server")},
		},
		"both":               {{"echo: {word: two}\nbackend: {cors: {origin: 'http://a'}}\n", inUse("echo.word backend.cors.origin", "server, plugin echo")}},
		"a key nobody reads": {{base + "other: {key: 1}\n", []line{unread("other.key"), noEffect}}},
		"a key of a Node backend, and one that counts": {
			{"echo: {word: two}\nbackend: {rateLimit: true}\n", append([]line{unread("backend.rateLimit")}, inUse("echo.word backend.rateLimit", "plugin echo")...)},
		},
		"what only the app reads": {{base + "app: {title: x}\n", []line{unread("app.title"), noEffect}}},
		"the address, and back": {
			{base + "backend: {listen: {port: 1}}\n", partly("backend.listen.port", "", "backend.listen"+restart)},
			{"echo: {word: two}\nbackend: {listen: {port: 1}}\n", partly("echo.word", "plugin echo", "backend.listen"+restart)},
			{"echo: {word: two}\n", inUse("backend.listen.port", "start")},
			{base, inUse("echo.word", "plugin echo")},
		},
		"https on": {{base + "backend: {https: true}\n", partly("backend.https", "", "backend.https"+restart)}},
		"an extension on": {
			{base + "helper: {enabled: false}\n", inUse("helper.enabled", "start")},
			{base + "helper: {enabled: true}\nbackend: {startup: {default: {onPluginBootFailure: continue}}}\n", partly("helper.enabled backend.startup.default.onPluginBootFailure", "",
				"backend.startup.default.onPluginBootFailure"+restart, "helper.enabled"+restart)},
		},
		"a refused part": {
			{"echo: {word: fail}\nbackend: {csp: {img-src: ['*']}}\n", []line{{
				Level: "error", Service: "host", Message: "a part of the changed config is not used: it has an error",
				Changed: []string{"echo.word", "backend.csp.img-src"}, InUse: []string{"server"}, NotInUse: []string{"plugin echo: it has an error"},
				Error: "plugin echo: config key 'echo.word' is fail, expected anything else",
			}}},
			{base + "backend: {csp: {img-src: ['*']}}\n", inUse("echo.word", "plugin echo")},
		},
		"refused as a whole": {
			{"echo: {word: {}}\nother: 1\n", []line{{
				Level: "error", Service: "host", Message: "the changed config is not used: it has an error", Changed: []string{"echo.word", "other"},
				Error: "Config validation failed, Config must be string { type=string } at /echo/word in 'app-config.yaml'",
			}}},
			{base, []line{{Level: "info", Service: "host", Message: "the changed config is in use", Changed: []string{}, InUse: []string{}}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := plugintest.OpenOptions(t, base, host.Options{
				Plugins: []plugin.Plugin{echo()}, Extensions: []plugin.Extension{helper()},
				Config: appconfig.Options{Environ: []string{"NODE_ENV=production", "LOG_LEVEL=debug"}},
			})
			at := len(h.Log.String())
			for _, step := range steps {
				h.Write(step.yaml)
				h.Log.Wait(t, "he changed config ")
				if diff := cmp.Diff(step.want, reports(t, h, &at)); diff != "" {
					t.Errorf("after %q (-want +got):\n%s", step.yaml, diff)
				}
			}
		})
	}
}

// The extension that runs hides a key, and has read its own at the start.
func TestChangesThatTheRunningHostHidesAreNamed(t *testing.T) {
	const base = "helper: {enabled: true}\necho: {word: one}\n"
	h := plugintest.OpenOptions(t, base, host.Options{Plugins: []plugin.Plugin{echo()}, Extensions: []plugin.Extension{helper()}})
	for _, step := range []struct{ yaml, said, part string }{
		{
			"helper: {enabled: true}\necho: {word: two, password: x}\n", "this host has set it itself",
			`changed=["echo.word","echo.password"] inUse=["plugin echo"] notInUse=["echo.password: this host has set it itself"]`,
		},
		{base + "backend: {baseUrl: 'http://localhost:1'}\n", "this host has set it itself", `inUse=["plugin echo"] notInUse=["backend.baseUrl: this`},
		{
			"helper: {enabled: true, size: 2}\necho: {word: one}\n", "restart the host to put it into use",
			`inUse=[] notInUse=["helper.size: restart the host to put it into use"]`,
		},
		{"helper: {enabled: false}\necho: {word: one}\n", "restart the host", `notInUse=["helper.enabled: restart`},
		{base, "in use", `changed=["helper.enabled"]`},
	} {
		h.Write(step.yaml)
		if got := h.Log.Wait(t, "he changed config is "); !strings.Contains(got, step.said) || !strings.Contains(got, step.part) {
			t.Errorf("after %q the log says %s, want %s", step.yaml, got, step.part)
		}
	}
}

func TestManyChangedKeysAreCounted(t *testing.T) {
	var yaml strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&yaml, "map.x%03d: 1\n", i)
	}
	p := plugin.Plugin{
		ID: "map", Path: "/map", Schema: []byte(`{"type":"object","properties":{"map":{"type":"object"}}}`),
		New: func(context.Context, plugin.Environment) (http.Handler, error) { return http.NotFoundHandler(), nil },
	}
	h := plugintest.Open(t, "", p)
	h.Write("map:\n" + strings.ReplaceAll(yaml.String(), "map.", "  "))
	got := h.Log.Wait(t, "the changed config is in use")
	if !strings.Contains(got, `"map.x019","and 980 more"]`) || strings.Contains(got, "map.x020") {
		t.Errorf("the log says %s", got)
	}
}

// A baseUrl that leads to another port of this machine is warned of at the start, and once after a change.
func TestBaseURLWithAnotherPortIsWarnedOf(t *testing.T) {
	base := func(url string) string { return "backend: {baseUrl: '" + url + "'}\necho: {word: one}\n" }
	h := plugintest.Open(t, base("http://localhost:1"), echo())
	_, port, err := net.SplitHostPort(strings.TrimPrefix(h.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	warning := "backend.baseUrl has port 1, and this backend listens on port " + port
	h.Log.Wait(t, warning)
	for _, step := range []struct {
		yaml string
		want bool
	}{
		{base("http://localhost:1") + "app: {title: x}\n", false}, // said before
		{base("http://localhost:" + port), false},
		{base("http://127.0.0.1:1"), true},
		{base("https://backstage.example.com"), false}, // of a proxy
	} {
		h.Write(step.yaml)
		got := h.Log.Wait(t, "the changed config ")
		if strings.Contains(got, `warnings=["`+warning) != step.want {
			t.Errorf("after %q the log says %s", step.yaml, got)
		}
	}
}
