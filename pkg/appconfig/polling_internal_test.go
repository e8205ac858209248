package appconfig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
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
