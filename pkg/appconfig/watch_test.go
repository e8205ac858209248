package appconfig_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// event is what a watch reported: the value of "a", or an error.
type event struct {
	value any
	err   error
}

// watching watches the configuration in a folder, as a host does.
type watching struct {
	t       *testing.T
	dir     string
	events  chan event
	options appconfig.Options
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace replaces a file as some editors do: it writes a new one and renames it.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+"~", text)
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func newWatching(t *testing.T, files map[string]string) *watching {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return &watching{t: t, dir: dir, events: make(chan event, 100), options: appconfig.Options{RootDir: dir, Dir: dir}}
}

// start loads and watches until the test ends.
func (w *watching) start() {
	w.t.Helper()
	config, err := appconfig.Load(w.t.Context(), w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- appconfig.Watch(ctx, w.options, config, func(config *appconfig.Config, err error) {
			e := event{err: err}
			if err == nil {
				e.value, _, e.err = config.GetOptional("a")
			}
			w.events <- e
		})
	}()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

func (w *watching) path(name string) string { return filepath.Join(w.dir, name) }

// next waits for the next report.
func (w *watching) next() event {
	w.t.Helper()
	select {
	case e := <-w.events:
		return e
	case <-time.After(20 * time.Second):
		w.t.Fatal("nothing was reported")
	}
	return event{}
}

func (w *watching) want(value any) {
	w.t.Helper()
	if e := w.next(); e.err != nil || e.value != value {
		w.t.Fatalf("got %v, %v, want %v", e.value, e.err, value)
	}
}

func (w *watching) wantError(part string) {
	w.t.Helper()
	if e := w.next(); e.err == nil || !strings.Contains(e.err.Error(), part) {
		w.t.Fatalf("got %v, %v, want an error with %q", e.value, e.err, part)
	}
}

func TestWatchReportsEveryWayToChangeAFile(t *testing.T) {
	t.Parallel()
	w := newWatching(t, map[string]string{"app-config.yaml": "a: 1\n"})
	w.start()
	main := w.path("app-config.yaml")

	write(t, main, "a: 2\n")
	w.want(2.0)
	replace(t, main, "a: 3\n")
	w.want(3.0)
	replace(t, main, "a: 4\n") // the watch has to survive the first rename
	w.want(4.0)
	// A save that changes nothing is not reported: the next report is of the change after it.
	write(t, main, "# remark\na: 4\n")
	write(t, w.path("app-config.local.yaml"), "a: 5\n") // did not exist at the start
	w.want(5.0)
	if err := os.Remove(w.path("app-config.local.yaml")); err != nil {
		t.Fatal(err)
	}
	w.want(4.0)
}

func TestWatchKeepsTheLastGoodSnapshot(t *testing.T) {
	t.Parallel()
	w := newWatching(t, map[string]string{"app-config.yaml": "a: 1\n"})
	w.start()
	main := w.path("app-config.yaml")

	write(t, main, "a: [\n")
	w.wantError("app-config.yaml")
	write(t, main, "a: 1\n") // as before: the error is gone
	w.want(1.0)
	replace(t, main, "a: 2\n")
	w.want(2.0)
	if err := os.Remove(main); err != nil {
		t.Fatal(err)
	}
	w.wantError("does not exist")
	write(t, main, "a: 3\n")
	w.want(3.0)
}

func TestWatchFollowsIncludes(t *testing.T) {
	t.Parallel()
	w := newWatching(t, map[string]string{
		"app-config.yaml": "a: { $file: parts/a.txt }\n",
		"parts/a.txt":     "one",
	})
	w.start()
	write(t, w.path("parts/a.txt"), "two")
	w.want("two")
	write(t, w.path("app-config.yaml"), "a: { $include: 'other/deep/b.yaml#x' }\n")
	w.wantError("does not exist")
	write(t, w.path("other/deep/b.yaml"), "x: three\n") // the folders are new as well
	w.want("three")
	if err := os.RemoveAll(w.path("other")); err != nil {
		t.Fatal(err)
	}
	w.wantError("does not exist")
	write(t, w.path("other/deep/b.yaml"), "x: four\n")
	w.want("four")
}

func TestWatchSeesKubernetesSwapASymlink(t *testing.T) {
	t.Parallel()
	w := newWatching(t, map[string]string{
		"mount/..2024_1/app-config.yaml": "a: 1\n",
		"mount/..2024_2/app-config.yaml": "a: 2\n",
		"mount/..2024_3/app-config.yaml": "a: 3\n",
	})
	link(t, "..2024_1", w.path("mount/..data"))
	link(t, "..data/app-config.yaml", w.path("mount/app-config.yaml"))
	w.options.Targets = []string{"mount/app-config.yaml"}
	w.start()
	for i, want := range []float64{2, 3} {
		link(t, fmt.Sprintf("..2024_%d", i+2), w.path("mount/..data_tmp"))
		if err := os.Rename(w.path("mount/..data_tmp"), w.path("mount/..data")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(w.path(fmt.Sprintf("mount/..2024_%d", i+1))); err != nil {
			t.Fatal(err)
		}
		w.want(want)
	}
}

// Editors and tools replace files and folders in many ways. Meanwhile a log is written beside the files.
func TestWatchSeesEverySave(t *testing.T) {
	t.Parallel()
	w := newWatching(t, map[string]string{"conf/app-config.yaml": "a: 0\n", "target/app-config.yaml": "a: linked 0\n"})
	w.options.RootDir = w.path("conf")
	do := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	main := w.path("conf/app-config.yaml")
	w.start()
	log, err := os.Create(w.path("conf/host.log"))
	do(err)
	ctx, cancel := context.WithCancel(t.Context())
	logged := make(chan error)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			_, err = log.WriteString("a line\n")
			runtime.Gosched()
		}
		logged <- errors.Join(err, log.Close())
	}()
	for i, save := range []func(text string){
		func(text string) { write(t, main, text) },
		func(text string) { replace(t, main, text) },
		func(text string) { do(os.Rename(main, main+"~")); write(t, main, text); do(os.Remove(main + "~")) }, // as vim does
		func(text string) { do(os.Remove(main)); write(t, main, text) },
		func(text string) { write(t, main, ""); write(t, main, text) },
		func(text string) { // a folder in place of the folder
			write(t, w.path("new/app-config.yaml"), text)
			do(os.Rename(w.path("conf"), w.path("old")), os.Rename(w.path("new"), w.path("conf")))
		},
		func(text string) { do(os.RemoveAll(w.path("conf"))); write(t, main, text) },
		func(text string) { // a link in place of the file
			write(t, w.path("target/app-config.yaml"), text)
			do(os.Symlink("../target/app-config.yaml", main+"~"), os.Rename(main+"~", main))
		},
		func(text string) { write(t, w.path("target/app-config.yaml"), text) },
		func(text string) { replace(t, w.path("target/app-config.yaml"), text) },
		func(text string) { // a link in place of the folder
			write(t, w.path("second/app-config.yaml"), text)
			do(os.RemoveAll(w.path("conf")), os.Symlink("second", w.path("conf")))
		},
		func(text string) { // another target of that link
			write(t, w.path("third/app-config.yaml"), text)
			do(os.Symlink("third", w.path("conf~")), os.Rename(w.path("conf~"), w.path("conf")))
		},
		func(text string) { write(t, main, text) },
		func(text string) { replace(t, main, text) },
	} {
		value := fmt.Sprintf("save %d", i)
		save("a: " + value + "\n")
		w.want(value)
	}
	cancel()
	do(<-logged)
}

func TestWatchReportsWhatChangedBeforeIt(t *testing.T) {
	t.Parallel()
	w := newWatching(t, map[string]string{"app-config.yaml": "a: 1\n"})
	config, err := appconfig.Load(t.Context(), w.options)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w.path("app-config.yaml"), "a: 2\n")
	ctx, cancel := context.WithCancel(t.Context())
	err = appconfig.Watch(ctx, w.options, config, func(config *appconfig.Config, err error) {
		defer cancel()
		if err != nil {
			t.Error(err)
		} else if a, err := config.GetNumber("a"); a != 2 || err != nil {
			t.Errorf("got %v, %v", a, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchPollsRemoteDocuments(t *testing.T) {
	t.Parallel()
	var document atomic.Value
	document.Store("a: 1\n")
	polls := make(chan struct{}, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		select {
		case polls <- struct{}{}:
		default:
		}
		text := document.Load().(string)
		if text == "" {
			http.Error(rw, "broken", http.StatusBadGateway)
			return
		}
		_, _ = fmt.Fprint(rw, text)
	}))
	t.Cleanup(server.Close)
	w := newWatching(t, nil)
	w.options.Targets = []string{server.URL + "/app-config.yaml?token=secret"}
	w.options.Poll = 5 * time.Millisecond
	w.options.Client = server.Client()
	w.start()

	document.Store("a: 1 # the same\n")
	for range 5 {
		<-polls
	}
	document.Store("")
	e := w.next()
	if e.err == nil || !strings.Contains(e.err.Error(), "502 Bad Gateway") || strings.Contains(e.err.Error(), "secret") {
		t.Fatalf("got %v, want the status and no token", e.err)
	}
	document.Store("a: ${B:-two}\n")
	w.want("two")
}

// A pipe, such as a shell's <(sops -d secrets.yaml), can be read only once.
func TestWatchKeepsWhatAPipeGave(t *testing.T) {
	t.Parallel()
	w := newWatching(t, map[string]string{"app-config.yaml": "a: {x: 1}\n"})
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	write(t, fmt.Sprintf("/dev/fd/%d", to.Fd()), "a: {y: 2}\n")
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	w.options.Targets = []string{w.path("app-config.yaml"), fmt.Sprintf("/dev/fd/%d", from.Fd())}
	w.start()
	write(t, w.path("app-config.yaml"), "a: {x: 3}\n")
	if e := w.next(); e.err != nil || string(value.FormatJSON(e.value)) != `{"y":2,"x":3}` {
		t.Errorf("got %v, %v", e.value, e.err)
	}
}

func TestWatchWaitsForNoServer(t *testing.T) {
	t.Parallel()
	var reads atomic.Int32
	waits := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if reads.Add(1) == 3 { // after the reads by Load and at the start of Watch
			close(waits)
		}
		if reads.Load() >= 3 {
			<-r.Context().Done()
		}
		_, _ = fmt.Fprint(rw, "b: 1\n")
	}))
	t.Cleanup(server.Close)
	w := newWatching(t, map[string]string{"app-config.yaml": "a: 1\n"})
	w.options.Targets = []string{w.path("app-config.yaml"), server.URL}
	w.options.Poll = 5 * time.Millisecond
	w.options.Client = server.Client()
	w.start()
	<-waits
	write(t, w.path("app-config.yaml"), "a: 2\n")
	w.want(2.0)
}
