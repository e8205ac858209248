package appconfig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// noNotifier makes a notifier that fails with err, or one that is closed if err is nil.
func noNotifier(err error) func() (*fsnotify.Watcher, error) {
	return func() (*fsnotify.Watcher, error) {
		if err != nil {
			return nil, err
		}
		notifier, err := fsnotify.NewWatcher()
		if err == nil {
			err = notifier.Close()
		}
		return notifier, err
	}
}

// watched runs a watch with a fake clock and without events. ask waits and returns what has been reported since it was
// last called: the value of "a", or an error.
func watched(t *testing.T, o Options, noEvents error, test func(ask func(wait time.Duration) string, stop func())) {
	config, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	reports := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- watch(ctx, o, config, func(config *Config, err error) {
			a := ""
			if err == nil {
				a, err = config.GetString("a")
			}
			if err != nil {
				a = err.Error()
			}
			reports <- a
		}, noNotifier(noEvents))
	}()
	stopped := false
	stop := func() {
		if cancel(); !stopped {
			stopped = true
			begun := time.Now()
			if err := <-ended; err != nil || time.Since(begun) > 0 {
				t.Errorf("the watch ended with %v after %v, want nil at once", err, time.Since(begun))
			}
		}
	}
	defer stop()
	test(func(wait time.Duration) string {
		time.Sleep(wait)
		synctest.Wait()
		var got []string
		for len(reports) > 0 {
			got = append(got, <-reports)
		}
		return strings.Join(got, "; ")
	}, stop)
}

func TestFilesArePolledWithoutANotifier(t *testing.T) {
	for name, noEvents := range map[string]error{
		"no instance": syscall.EMFILE, "no watch": syscall.ENOSPC, "no inotify": syscall.ENOSYS,
		"not on this system": errors.New("unsupported"), "closed": nil,
	} {
		dir := t.TempDir()
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		path := func(name string) string { return filepath.Join(dir, name) }
		write := func(name, text string) { t.Helper(); do(os.WriteFile(path(name), []byte(text), 0o600)) }
		for _, version := range []string{"..1", "..2"} {
			do(os.Mkdir(path(version), 0o700))
			write(version+"/app-config.yaml", "a: map "+version+"\n")
		}
		do(os.Symlink("..1", path("..data")))
		write("app-config.yaml", "a: { $file: a.txt }\n")
		write("a.txt", "one")
		synctest.Test(t, func(t *testing.T) {
			watched(t, Options{RootDir: dir}, noEvents, func(ask func(time.Duration) string, _ func()) {
				if got := ask(time.Minute); strings.Count(got, "cannot watch") != 1 || !strings.HasSuffix(got, ": files are looked at every 2s instead") {
					t.Errorf("%s: reported %q, want once that the files are polled", name, got)
				}
				for _, step := range []struct {
					change func()
					want   string
				}{
					{func() { write("a.txt", "two, included") }, "two, included"},
					{func() { write("new", "a: three\n"); do(os.Rename(path("new"), path("app-config.yaml"))) }, "three"},
					{func() { write("app-config.yaml", "a: three # the same\n") }, ""},
					{func() { write("app-config.yaml", "a: [") }, "line 1"},
					{func() { write("app-config.yaml", "a: four\n") }, "four"},
					{func() { write("app-config.local.yaml", "a: local\n") }, "local"},
					{func() { do(os.Remove(path("app-config.local.yaml"))) }, "four"},
					{func() {
						do(os.Symlink("..data/app-config.yaml", path("new")))
						do(os.Rename(path("new"), path("app-config.yaml")))
					}, "map ..1"},
					{func() { do(os.Symlink("..2", path("new"))); do(os.Rename(path("new"), path("..data"))) }, "map ..2"},
				} {
					step.change()
					if got := ask(filePoll + settleMost); step.want == "" && got != "" || !strings.Contains(got, step.want) || strings.Contains(got, ";") {
						t.Errorf("%s: reported %q, want %q", name, got, step.want)
					}
				}
			})
		})
	}
}

// hanging is a provider. While it hangs, a read waits until the provider is released, whatever becomes of the load.
type hanging struct {
	hangs   atomic.Bool
	reading atomic.Int32
	release chan struct{}
}

func (h *hanging) ReadBytes() ([]byte, error) { return nil, errors.New("no bytes") }

func (h *hanging) Read() (map[string]any, error) {
	h.reading.Add(1)
	defer h.reading.Add(-1)
	if h.hangs.Load() {
		<-h.release
	}
	return map[string]any{}, nil
}

func TestLoadThatHangsEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := &hanging{release: make(chan struct{})}
		vault.hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		_, err := Load(ctx, Options{RootDir: t.TempDir(), AllowMissingDefault: true, Providers: []Provider{{Name: "vault", Provider: vault}}})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "from vault") || time.Since(begun) != time.Hour {
			t.Errorf("the load ended with %v after %v, want the end of the context and the name of the source", err, time.Since(begun))
		}
		close(vault.release)
	})
}

// A source that hangs ends neither the watching nor delays its end, and does not fill the memory.
func TestWatchOutlivesASourceThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app-config.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a: one\n")
	synctest.Test(t, func(t *testing.T) {
		vault := &hanging{release: make(chan struct{})}
		o := Options{Targets: []string{path}, Providers: []Provider{{Name: "vault", Provider: vault}}}
		watched(t, o, syscall.EMFILE, func(ask func(time.Duration) string, stop func()) {
			ask(time.Second)
			vault.hangs.Store(true)
			write("a: two, two\n")
			if got, want := ask(2*time.Minute), "Failed to read config from vault, it was not read within 1m0s"; got != want {
				t.Errorf("reported %q, want %q", got, want)
			}
			if got := ask(time.Hour); !strings.Contains(got, "16 earlier reads have not ended") || vault.reading.Load() > maxHanging {
				t.Errorf("after an hour %d reads are left behind, and reported is %q", vault.reading.Load(), got)
			}
			vault.hangs.Store(false)
			close(vault.release)
			if got, want := ask(2*time.Minute), "two, two"; got != want {
				t.Errorf("when the source answers again reported is %q, want %q", got, want)
			}
			vault.release = make(chan struct{})
			vault.hangs.Store(true)
			write("a: three\n")
			ask(10 * time.Second)
			if vault.reading.Load() != 1 {
				t.Error("no load hangs at the stop")
			}
			stop()
			close(vault.release)
		})
	})
}

// Whatever hangs, the end of the watch is bounded.
func TestWatchThatHangsIsLeftBehind(t *testing.T) {
	for _, c := range []struct{ hangs, takes time.Duration }{{0, 0}, {time.Second, time.Second}, {time.Hour, leaveAfter}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			begun := time.Now()
			err := untilDone(ctx, func() error {
				time.Sleep(c.hangs)
				return nil
			})
			if took := time.Since(begun); took != c.takes || (err == nil) != (c.hangs == c.takes) {
				t.Errorf("a run that takes %v more ended after %v with %v, want after %v", c.hangs, took, err, c.takes)
			}
			time.Sleep(c.hangs)
		})
	}
}
