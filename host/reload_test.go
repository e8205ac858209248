package host_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

func TestChangedConfigIsUsedWithoutARestart(t *testing.T) {
	h := plugintest.Open(t, "echo: {word: one}\n", echo())
	for _, step := range []struct{ yaml, said, word string }{
		{"echo: {word: two}\n", "in use", "two"},
		{"echo: [", "not used", "two"},                                                 // does not load
		{"echo: {word: {}}\n", "not used", "two"},                                      // does not match the schema
		{"backend: {listen: {port: 70000}}\necho: {word: three}\n", "not used", "two"}, // the host cannot serve it
		{"echo: {word: three}\n", "in use", "three"},                                   // the next good config is used
		{"echo: {word: three}\nbackend: {referrer: {policy: [origin]}}\n", "in use", "three"},
	} {
		h.Write(step.yaml)
		if got := h.Log.Wait(t, "the changed config is "); !strings.HasPrefix(got, step.said) {
			t.Errorf("after %q the log says that the config is %s, want %s", step.yaml, got, step.said)
		}
		if status, body, _ := get(t, h.URL()+"/api/echo/word"); status != 200 || body != step.word {
			t.Errorf("after %q: %d %s, want %s", step.yaml, status, body, step.word)
		}
	}
	if n := strings.Count(h.Log.String(), `inUse=["plugin echo"]`); n != 2 {
		t.Errorf("the plugin was set up again %d times, want 2: a change elsewhere is none of its business", n)
	}
}

func TestPluginThatRefusesTheChangedConfigKeepsTheOld(t *testing.T) {
	h := plugintest.Open(t, "echo: {word: one}\n", echo())
	h.Write("echo: {word: fail}\n")
	h.Log.Wait(t, "a part of the changed config is not used")
	if status, body, _ := get(t, h.URL()+"/api/echo/word"); status != 200 || body != "one" {
		t.Errorf("%d %s, want the old handler", status, body)
	}
	if !strings.Contains(h.Log.String(), "plugin echo: config key 'echo.word' is fail") {
		t.Errorf("the log does not say what is wrong:\n%s", h.Log)
	}
}

// generational is a plugin whose generations report their end on ended. GET /wait is answered when release is closed.
func generational(entered, release chan struct{}, ended chan string) plugin.Plugin {
	return plugin.Plugin{
		ID: "slow", Path: "/slow", Schema: []byte(`{"type":"object","properties":{"n":{"type":"string"}}}`),
		New: func(ctx context.Context, env plugin.Environment) (http.Handler, error) {
			env.Auth.Allow("/", backstageauth.Unauthenticated)
			n, err := env.Config.GetString("n")
			env.Lifecycle.OnShutdown(func(context.Context) error {
				ended <- n
				return nil
			})
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/wait" {
					close(entered)
					<-release
				}
				if ctx.Err() != nil {
					w.WriteHeader(http.StatusGone)
				}
			}), err
		},
	}
}

func TestOldHandlerIsReleasedAfterItsLastRequest(t *testing.T) {
	entered, release, ended := make(chan struct{}), make(chan struct{}), make(chan string, 2)
	h := plugintest.Open(t, "n: one\n", generational(entered, release, ended))
	answered := make(chan int)
	go func() {
		status, _, _ := get(t, h.URL()+"/api/slow/wait")
		answered <- status
	}()
	<-entered
	h.Write("n: two\n")
	h.Log.Wait(t, "the changed config is in use")
	select {
	case <-ended:
		t.Error("the old handler is released while it answers a request")
	default:
	}
	close(release)
	if status := <-answered; status != 200 {
		t.Errorf("the request in flight got %d", status)
	}
	if got := <-ended; got != "one" {
		t.Errorf("the hook of generation %s ran", got)
	}
}

// Each generation's hooks run once: those of a replaced one at the reload, those of a refused one at once, and those
// of the last one at the stop.
func TestHooksEndWithTheirGeneration(t *testing.T) {
	ended := make(chan string, 9)
	h := plugintest.Open(t, "n: one\n", generational(nil, nil, ended))
	for _, step := range []struct{ yaml, ended string }{
		{"n: two\n", "one"}, {"n: null\n", ""}, {"n: three\n", "two"}, {"n: four\n", "three"},
	} {
		h.Write(step.yaml)
		h.Log.Wait(t, "the changed config is ")
		if got := <-ended; got != step.ended {
			t.Errorf("after %q the hook of generation %q ran, want %q", step.yaml, got, step.ended)
		}
	}
	if len(ended) > 0 {
		t.Errorf("%d more hooks ran before the stop", len(ended))
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if got := <-ended; got != "four" || len(ended) > 0 {
		t.Errorf("at the stop the hook of generation %s ran, and %d more", got, len(ended))
	}
}

func TestSlowHookHoldsUpNeitherAReloadNorOtherHooks(t *testing.T) {
	release, ended := make(chan struct{}), make(chan string, 3)
	p := plugin.Plugin{
		ID: "slow", Path: "/slow", Schema: []byte(`{"type":"object","properties":{"n":{"type":"string"}}}`),
		New: func(_ context.Context, env plugin.Environment) (http.Handler, error) {
			env.Auth.Allow("/", backstageauth.Unauthenticated)
			n, _, err := env.Config.GetOptionalString("n")
			env.Lifecycle.OnShutdown(func(ctx context.Context) error {
				if _, limited := ctx.Deadline(); !limited {
					t.Error("the hook has no deadline")
				}
				<-release
				return nil
			})
			env.Lifecycle.OnShutdown(func(context.Context) error { ended <- n; return nil })
			env.Lifecycle.OnShutdown(func(context.Context) error { panic("no") })
			return http.NotFoundHandler(), err
		},
	}
	h := plugintest.Open(t, "n: one\n", p)
	for _, step := range []struct{ next, ended string }{{"two", "one"}, {"three", "two"}} {
		h.Write("n: " + step.next + "\n")
		h.Log.Wait(t, "the changed config is in use")
		if got := <-ended; got != step.ended {
			t.Errorf("the hook of generation %s ran, want %s", got, step.ended)
		}
	}
	close(release)
	h.Log.Wait(t, "a shutdown hook panicked: no")
}
