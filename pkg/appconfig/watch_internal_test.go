package appconfig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fsnotify/fsnotify"
)

// newWatcher returns a watcher of a folder whose steps a test takes one by one.
func newWatcher(t *testing.T, dir string, report func(*Config, error)) *watcher {
	t.Helper()
	l, err := newLoader(Options{RootDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	notifier, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = notifier.Close() })
	return &watcher{loader: l, notifier: notifier, report: report}
}

func TestWatcherReportsADifferenceOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "app-config.yaml")
	configs, errs := 0, 0
	w := newWatcher(t, dir, func(_ *Config, err error) {
		if err != nil {
			errs++
		} else {
			configs++
		}
	})
	for i, step := range []struct {
		text          string
		configs, errs int // reported by then
	}{
		{"a: 1\n", 1, 0},
		{"a: 1 # a remark\n", 1, 0},
		{"a: {\n", 1, 1},
		{"\na: {\n", 1, 2}, // another line: another error
		{"\na: {\n#\n", 1, 3},
		{"a: 1 #\n", 2, 3}, // back to the last good state: the error is gone
		{"b: 1\na: 1\n", 3, 3},
		{"a: 1\nb: 1\n", 3, 3}, // the order of keys does not count
		{"a: {\n", 3, 4},       // the error is new again
	} {
		if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.check(context.Background(), true)
		w.check(context.Background(), true) // nothing is reported twice
		if configs != step.configs || errs != step.errs {
			t.Errorf("step %d: %d configs and %d errors were reported, want %d and %d", i, configs, errs, step.configs, step.errs)
		}
	}
}

// reader is a koanf provider made of a function.
type reader func() (map[string]any, error)

func (reader) ReadBytes() ([]byte, error)      { return nil, errors.New("no bytes") }
func (r reader) Read() (map[string]any, error) { return r() }

// A file that could not be read may become readable while its recorded state stays the same: it has no permissions.
func TestWatcherTriesAgainAfterAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app-config.yaml"), []byte("a: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var reports []error
	w := newWatcher(t, dir, func(_ *Config, err error) { reports = append(reports, err) })
	denied := true
	w.loader.options.Providers = []Provider{{Name: "more", Provider: reader(func() (map[string]any, error) {
		if denied {
			return nil, os.ErrPermission
		}
		return map[string]any{"b": 1}, nil
	})}}
	w.check(context.Background(), true)
	denied = false
	w.check(context.Background(), false)
	w.check(context.Background(), false)
	if len(reports) != 2 || !errors.Is(reports[0], os.ErrPermission) || reports[1] != nil {
		t.Errorf("reported %v, want an error and a snapshot", reports)
	}
}

// Changes in a folder that cannot be watched are found by polling, which is reported once.
func TestWatcherDoesWithoutEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "app-config.yaml")
	configs, errs := 0, []error(nil)
	w := newWatcher(t, dir, func(_ *Config, err error) {
		if err != nil {
			errs = append(errs, err)
		} else {
			configs++
		}
	})
	if err := w.notifier.Close(); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"a: 1\n", "a: 1\nb: 2\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.check(context.Background(), i == 0)
	}
	if w.polled == nil {
		t.Error("the files are not polled")
	}
	if configs != 2 || len(errs) != 1 {
		t.Fatalf("%d configs and the errors %v were reported, want 2 and 1", configs, errs)
	}
	if _, ok := errors.AsType[*WatchError](errs[0]); !ok || !strings.Contains(errs[0].Error(), dir) {
		t.Errorf("reported %v, want a WatchError with the folder", errs[0])
	}
}

// A file that changes during a reload may be incomplete.
func TestWatcherLeavesWhatIsBeingWrittenForLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "app-config.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	var reports []error
	w := newWatcher(t, dir, func(_ *Config, err error) {
		write("a: {") // the beginning of the next version
		reports = append(reports, err)
	})
	write("a: 1\n")
	if again := w.check(context.Background(), true); !again || len(reports) != 1 || reports[0] != nil {
		t.Errorf("reported: %v, to look again: %v, want one config, and to look again", reports, again)
	}
}

func TestWatcherFollowsOnlyTheFoldersThatMatter(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"real/deep", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		"app-config.yaml": "a: { $file: link/deep/a.txt }\n", "real/deep/a.txt": "x", "other/b.txt": "y",
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	w := newWatcher(t, dir, func(_ *Config, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	wantFolders := func(want ...string) {
		t.Helper()
		got := map[string]bool{}
		for _, folder := range w.notifier.WatchList() {
			got[folder] = true
		}
		for _, folder := range want {
			if !got[filepath.Join(dir, folder)] {
				t.Errorf("%s is not watched: %v", folder, w.notifier.WatchList())
			}
		}
		if len(got) != len(want) {
			t.Errorf("watched: %v, want %v", w.notifier.WatchList(), want)
		}
	}
	w.check(context.Background(), true)
	wantFolders(".", "real/deep") // where the link may be swapped, and where the file is
	if err := os.WriteFile(filepath.Join(dir, "app-config.yaml"), []byte("a: { $file: other/b.txt }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.check(context.Background(), false)
	wantFolders(".", "other")
}
