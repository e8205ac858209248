package host_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/plugin"
)

// watcher tells once what follows a phrase in the log.
type watcher struct {
	*lines
	wanted string
	found  chan string
}

func (w *watcher) Write(p []byte) (int, error) {
	if _, rest, ok := strings.Cut(string(p), w.wanted); ok {
		word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		select {
		case w.found <- word:
		default:
		}
	}
	return w.lines.Write(p)
}

func TestChangedConfigIsUsedWithoutARestart(t *testing.T) {
	dir, said := t.TempDir(), make(chan string, 1)
	log := &watcher{lines: new(lines), wanted: "the changed config is ", found: said}
	write(t, dir, baseConfig+"echo: {word: one}\n")
	h := host.New(host.Options{RootDir: dir, Log: log})
	h.Add(echo())
	open(t, h)
	for _, step := range []struct{ yaml, said, word string }{
		{baseConfig + "echo: {word: two}\n", "in", "two"},
		{baseConfig + "echo: [", "not", "two"},                                    // does not load
		{baseConfig + "echo: {word: {}}\n", "not", "two"},                         // does not match the schema
		{"backend: {listen: {port: 70000}}\necho: {word: three}\n", "not", "two"}, // is nothing the host can serve
		{baseConfig + "echo: {word: three}\n", "in", "three"},                     // the last good config is left for a better one
		{baseConfig + "echo: {word: three}\nother: 1\n", "in", "three"},
	} {
		write(t, dir, step.yaml)
		if got := <-said; got != step.said {
			t.Errorf("after %q the log says that the config is %s used, want %s", step.yaml, got, step.said)
		}
		if status, body, _ := get(t, h.URL()+"/api/echo/word"); status != 200 || body != step.word {
			t.Errorf("after %q: %d %s, want %s", step.yaml, status, body, step.word)
		}
	}
	if n := strings.Count(log.String(), "plugin echo uses the changed config"); n != 2 {
		t.Errorf("the plugin was set up again %d times, want 2: a change elsewhere is none of its business\n%s", n, log.String())
	}
}

func TestChangesThatNeedARestartAreNamed(t *testing.T) {
	dir, said := t.TempDir(), make(chan string, 1)
	log := &watcher{lines: new(lines), wanted: "the changed config is ", found: said}
	write(t, dir, baseConfig)
	h := host.New(host.Options{RootDir: dir, Log: log})
	open(t, h)
	write(t, dir, strings.Replace(baseConfig, "127.0.0.1:0", "127.0.0.1:1", 1)+"understudy: {sandbox: {enabled: true}}\n")
	<-said
	for _, key := range []string{"backend.listen or backend.https", "understudy.sandbox.enabled"} {
		if want := key + " changed: restart the host"; !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

func TestPluginThatRefusesTheChangedConfigKeepsTheOld(t *testing.T) {
	dir, said := t.TempDir(), make(chan string, 1)
	log := &watcher{lines: new(lines), wanted: "a part of the changed config is ", found: said}
	write(t, dir, baseConfig+"echo: {word: one}\n")
	h := host.New(host.Options{RootDir: dir, Log: log})
	h.Add(echo())
	open(t, h)
	write(t, dir, baseConfig+"echo: {word: fail}\n")
	<-said
	if status, body, _ := get(t, h.URL()+"/api/echo/word"); status != 200 || body != "one" {
		t.Errorf("%d %s, want the old handler", status, body)
	}
	if !strings.Contains(log.String(), "config key 'echo.word' is fail") {
		t.Errorf("the log does not say what is wrong:\n%s", log.String())
	}
}

func TestOldHandlerIsReleasedAfterItsLastRequest(t *testing.T) {
	entered, release, released := make(chan struct{}), make(chan struct{}), make(chan struct{}, 2)
	p := plugin.Plugin{
		ID: "slow", Path: "/slow", Schema: []byte(`{"type":"object","properties":{"n":{"type":"number"}}}`),
		New: func(ctx context.Context, _ plugin.Environment) (http.Handler, error) {
			context.AfterFunc(ctx, func() { released <- struct{}{} })
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/wait" {
					close(entered)
					<-release
				}
				if ctx.Err() != nil {
					w.WriteHeader(http.StatusGone)
				}
			}), nil
		},
	}
	dir, said := t.TempDir(), make(chan string, 1)
	log := &watcher{lines: new(lines), wanted: "the changed config is ", found: said}
	write(t, dir, baseConfig+"n: 1\n")
	h := host.New(host.Options{RootDir: dir, Log: log})
	h.Add(p)
	open(t, h)
	answered := make(chan int)
	go func() {
		status, _, _ := get(t, h.URL()+"/api/slow/wait")
		answered <- status
	}()
	<-entered
	write(t, dir, baseConfig+"n: 2\n")
	<-said
	select {
	case <-released:
		t.Error("the old handler is released while it answers a request")
	default:
	}
	close(release)
	if status := <-answered; status != 200 {
		t.Errorf("the request in flight got %d", status)
	}
	<-released
}
