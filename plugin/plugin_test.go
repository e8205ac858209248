package plugin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/understudy-host/understudy/plugin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheckReportsAllProblemsAtOnce(t *testing.T) {
	router := func(context.Context, plugin.Environment) (http.Handler, error) { return http.NotFoundHandler(), nil }
	for name, test := range map[string]struct {
		plugin plugin.Plugin
		want   []string // in the error, each in its own line; nothing for a valid plugin
	}{
		"right":             {plugin.Plugin{ID: "todo-list", Path: "/todo-list", Schema: []byte(`{"type": "object"}`), New: router}, nil},
		"deeper":            {plugin.Plugin{ID: "a1", Path: "/auth/a1", New: router}, nil},
		"nothing":           {plugin.Plugin{}, []string{`the ID is ""`, `the Path is ""`, "New is missing"}},
		"no leading slash":  {plugin.Plugin{ID: "x", Path: "x", New: router}, []string{`plugin x: the Path is "x", expected`}},
		"a trailing slash":  {plugin.Plugin{ID: "x", Path: "/x/", New: router}, []string{`the Path is "/x/"`}},
		"all of api":        {plugin.Plugin{ID: "x", Path: "/", New: router}, []string{`the Path is "/"`}},
		"a doubled slash":   {plugin.Plugin{ID: "x", Path: "/a//b", New: router}, []string{`the Path is "/a//b"`}},
		"dots":              {plugin.Plugin{ID: "x", Path: "/a/../b", New: router}, []string{`the Path is "/a/../b"`}},
		"a capital":         {plugin.Plugin{ID: "X", Path: "/X", New: router}, []string{`the ID is "X"`, `the Path is "/X"`}},
		"a schema of words": {plugin.Plugin{ID: "x", Path: "/x", Schema: []byte("any"), New: router}, []string{"schema at plugin/x/schema.json is not JSON"}},
		"an empty schema":   {plugin.Plugin{ID: "x", Path: "/x", Schema: []byte{}, New: router}, []string{"is not JSON"}},
		"a wrong schema":    {plugin.Plugin{ID: "x", Path: "/x", Schema: []byte(`{"type": "text"}`), New: router}, []string{"Schema at plugin/x/schema.json is invalid"}},
		"an unknown keyword": {plugin.Plugin{ID: "x", Path: "/", Schema: []byte(`{"visible": true}`)}, []string{
			`the Path is "/"`, "New is missing", `unknown keyword: "visible"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.plugin.Check()
			if (err == nil) != (test.want == nil) {
				t.Fatalf("error %v", err)
			}
			if err == nil {
				return
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(test.want) {
				t.Errorf("%d lines, want %d:\n%v", len(lines), len(test.want), err)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, "plugin "+test.plugin.ID+": ") || i < len(test.want) && !strings.Contains(line, test.want[i]) {
					t.Errorf("line %q", line)
				}
			}
		})
	}
}

func TestErrorsNameThePluginInEachLine(t *testing.T) {
	p := plugin.Plugin{ID: "x"}
	err := p.Named(errors.Join(io.EOF, errors.New("two\nlines")))
	if got, want := err.Error(), "plugin x: EOF\nplugin x: two\nplugin x: lines"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is lost")
	}
	if p.Named(nil) != nil {
		t.Error("no error became one")
	}
}

func TestHooksRunSideBySideAndOnce(t *testing.T) {
	var l plugin.Lifecycle
	meet, failed := make(chan struct{}), errors.New("failed")
	l.OnShutdown(func(context.Context) error { meet <- struct{}{}; return failed })
	l.OnShutdown(func(context.Context) error { <-meet; panic("no") })
	err := l.Shutdown(t.Context())
	if !errors.Is(err, failed) || !strings.Contains(err.Error(), "a shutdown hook panicked: no") {
		t.Errorf("error %v", err)
	}
	if err := l.Shutdown(t.Context()); err != nil {
		t.Errorf("the hooks ran again: %v", err)
	}
}

func TestHookThatTakesTooLongIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l plugin.Lifecycle
		release := make(chan struct{})
		l.OnShutdown(func(context.Context) error { <-release; return nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		close(release)
	})
}

func TestHookAfterTheEndRunsAtOnce(t *testing.T) {
	var l plugin.Lifecycle
	if err := l.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ran := false
	l.OnShutdown(func(context.Context) error { ran = true; return nil })
	if !ran {
		t.Error("the hook did not run")
	}
}
