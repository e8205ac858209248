package plugintest_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// watched is a testing.TB that records what fails the test.
type watched struct {
	testing.TB
	said string
}

func (w *watched) Helper() {}

func (w *watched) Fatal(args ...any) {
	w.said += fmt.Sprint(args...)
	runtime.Goexit()
}

func (w *watched) Fatalf(format string, args ...any) { w.Fatal(fmt.Sprintf(format, args...)) }

// refusal returns the message with which f fails a test, or "".
func refusal(t *testing.T, f func(t testing.TB)) string {
	t.Helper()
	w, done := &watched{TB: t}, make(chan struct{})
	go func() {
		defer close(done)
		f(w)
	}()
	<-done
	return w.said
}

func TestEnvironmentRefusesWhatAHostRefuses(t *testing.T) {
	p := plugin.Plugin{
		ID: "p", Path: "/p",
		Schema: []byte(`{"type": "object", "required": ["p"], "properties": {"p": {"type": "object", "required": ["a"],
			"properties": {"a": {"type": "string"}}}}}`),
		New: func(context.Context, plugin.Environment) (http.Handler, error) { return http.NotFoundHandler(), nil },
	}
	broken := p
	broken.Path = "p"
	for _, test := range []struct {
		plugin        plugin.Plugin
		content, want string
	}{
		{p, "p: {a: x}", ""},
		{p, "q: 1", "must have required property 'p'"},
		{p, "p: {}", "must have required property 'a'"},
		{p, "p: {a: {}}", "must be string"},
		{p, "p: {a: x}\nbackend: {cors: {maxAge: x}}", "must be number"},
		{p, "p: [", "does not parse"},
		{broken, "p: {a: x}", `plugin p: the Path is "p"`},
	} {
		said := refusal(t, func(t testing.TB) {
			env, _ := plugintest.Environment(t, test.plugin, test.content)
			if got, err := env.Config.GetString("p.a"); err != nil || got != "x" {
				t.Fatalf("p.a is %q, %v", got, err)
			}
			if env.BaseURL != "http://localhost:7007/api/p" {
				t.Fatal(env.BaseURL)
			}
		})
		if (said == "") != (test.want == "") || !strings.Contains(said, test.want) {
			t.Errorf("%q: %q, want %q", test.content, said, test.want)
		}
		// A host agrees.
		_, err := plugintest.Start(t, test.content, hostOptions(test.plugin))
		if (err == nil) != (test.want == "") {
			t.Errorf("%q: a host says %v", test.content, err)
		}
	}
}

func hostOptions(p plugin.Plugin) host.Options { return host.Options{Plugins: []plugin.Plugin{p}} }
