package appconfig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// save is one write to a file, some time after the one before, with the event that it causes.
type save struct {
	after time.Duration
	name  string
	text  string
}

// written runs a watch of a folder with a fake clock while files in it are written, and returns what was reported, each
// report with its time. loads counts the loads of the watch.
func written(t *testing.T, saves []save) (reports []string, loads int) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("app-config.yaml", "a: { $file: a.txt }\n")
	write("a.txt", "one")
	write("app-config.local.yaml", "b: 1\n")
	notifier, err := fsnotify.NewWatcher() // outside of the bubble: it waits for the system
	if err != nil {
		t.Fatal(err)
	}
	var count atomic.Int32
	synctest.Test(t, func(t *testing.T) {
		notifier.Events, notifier.Errors = make(chan fsnotify.Event), make(chan error)
		o := Options{RootDir: dir, Providers: []Provider{{Name: "count", Provider: reader(func() (map[string]any, error) {
			count.Add(1)
			return nil, nil
		})}}}
		config, err := Load(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		begun := time.Now().Add(settleMost)
		go func() {
			ended <- watch(ctx, o, config, func(config *Config, err error) {
				text := "an error"
				if err == nil {
					a, _, _ := config.GetOptionalString("a")
					_, local, _ := config.GetOptional("b")
					text = a + map[bool]string{true: "", false: " alone"}[local]
				}
				reports = append(reports, time.Since(begun).String()+": "+text)
			}, func() (*fsnotify.Watcher, error) { return notifier, nil })
		}()
		time.Sleep(settleMost)
		count.Store(0)
		for _, s := range saves {
			time.Sleep(s.after)
			notifier.Events <- fsnotify.Event{Name: write(s.name, s.text), Op: fsnotify.Write}
		}
		time.Sleep(2 * settleMost)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return reports, int(count.Load())
}

// repeated returns n saves of a file that is not part of the configuration, at an interval.
func repeated(n int, every time.Duration, name string) []save {
	return slices.Repeat([]save{{every, name, "a line\n"}}, n)
}

func TestReloadWaitsOnlyForFilesOfTheConfig(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		saves []save
		want  []string // reports
		loads int
	}{
		"no log":           {[]save{{0, "a.txt", "two"}}, []string{"50ms: two"}, 1},
		"a log all along":  {slices.Concat([]save{{0, "a.txt", "two"}}, repeated(400, 5*ms, "host.log")), []string{"50ms: two"}, 1},
		"a log only":       {repeated(400, 5*ms, "host.log"), nil, 0},
		"an editor's file": {[]save{{0, "a.txt", "two"}, {30 * ms, ".a.txt.swp", ""}, {30 * ms, "4913", ""}}, []string{"50ms: two"}, 1},
		"two saves":        {[]save{{0, "a.txt", "two"}, {40 * ms, "a.txt", "three"}}, []string{"90ms: three"}, 1},
		"ten saves":        {slices.Repeat([]save{{10 * ms, "a.txt", "two"}}, 10), []string{"150ms: two"}, 1},
		"without an end": {
			append(slices.Repeat([]save{{21 * ms, "a.txt", "two"}, {21 * ms, "a.txt", "three"}}, 26), save{21 * ms, "a.txt", "two"}),
			[]string{"1.021s: three", "1.163s: two"},
			2,
		},
		"a file that did not exist": {[]save{{0, "app-config.local.yaml", "a: x\nb: 1\n"}}, []string{"50ms: x"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			reports, loads := written(t, test.saves)
			if !slices.Equal(reports, test.want) || loads != test.loads {
				t.Errorf("reported %q with %d loads, want %q with %d", reports, loads, test.want, test.loads)
			}
		})
	}
}

func TestHalfWrittenFileIsNotUsed(t *testing.T) {
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		saves []save
		want  []string
	}{
		"an empty file":          {[]save{{0, "app-config.yaml", ""}, {300 * ms, "app-config.yaml", "a: two\n"}}, []string{"350ms: two"}},
		"an empty include":       {[]save{{0, "a.txt", ""}, {300 * ms, "a.txt", "two"}}, []string{"350ms: two"}},
		"an empty upper layer":   {[]save{{0, "app-config.local.yaml", ""}, {300 * ms, "app-config.local.yaml", "b: 1\na: x\n"}}, []string{"350ms: x"}},
		"half of a file":         {[]save{{0, "app-config.yaml", "a: {"}, {300 * ms, "app-config.yaml", "a: { $file: a.txt }\nc: 1\n"}}, []string{"350ms: one"}},
		"piece by piece":         {[]save{{0, "app-config.yaml", ""}, {200 * ms, "app-config.yaml", "a: ["}, {200 * ms, "app-config.yaml", "a: two\n"}}, []string{"450ms: two"}},
		"mended, as it was":      {[]save{{0, "app-config.yaml", "a: ["}, {300 * ms, "app-config.yaml", "a: one\n"}}, nil},
		"broken for good":        {[]save{{0, "app-config.yaml", "a: ["}}, []string{"400ms: an error"}},
		"empty for good":         {[]save{{0, "app-config.local.yaml", ""}}, []string{"410ms: one alone"}},
		"broken without an end":  {slices.Repeat([]save{{60 * ms, "app-config.yaml", "a: ["}}, 20), []string{"1.06s: an error"}},
		"broken, empty, mended":  {[]save{{0, "a.txt", ""}, {300 * ms, "a.txt", ""}, {300 * ms, "a.txt", "two"}}, []string{"650ms: two"}},
		"broken, then different": {[]save{{0, "app-config.yaml", "a: ["}, {time.Second, "app-config.yaml", "a: two\n"}}, []string{"400ms: an error", "1.05s: two"}},
	} {
		t.Run(name, func(t *testing.T) {
			if reports, _ := written(t, test.saves); !slices.Equal(reports, test.want) {
				t.Errorf("reported %q, want %q", reports, test.want)
			}
		})
	}
}

func TestEventsOfInvolvedNamesCount(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	do(os.MkdirAll(path("mount/..1"), 0o700))
	do(os.MkdirAll(path("real"), 0o700))
	do(os.Symlink("..1", path("mount/..data")))
	do(os.Symlink("..data/map.yaml", path("mount/map.yaml")))
	do(os.Symlink("real", path("link")))
	for name, text := range map[string]string{
		"app-config.yaml":    "a: { $file: mount/map.yaml }\nb: { $file: link/b.txt }\n",
		"mount/..1/map.yaml": "x", "real/b.txt": "y", "host.log": "",
	} {
		do(os.WriteFile(path(name), []byte(text), 0o600))
	}
	w := newWatcher(t, dir, func(*Config, error) {})
	w.check(t.Context(), true)
	// A default file, and an include below folders that do not exist.
	w.files.seen[path("gone/deep/c.txt")] = nil
	w.follow()
	for name, want := range map[string]bool{
		"app-config.yaml": true, "App-Config.yaml": true, "app-config.local.yaml": true, "mount/map.yaml": true, "mount/..data": true,
		"mount/..1/map.yaml": true, "link": true, "real/b.txt": true, "gone": true,
		"host.log": false, ".app-config.yaml.swp": false, "app-config.yaml~": false, "4913": false, "mount/..data_tmp": false,
		"mount/..2": false, "real/c.txt": false, "deep": false, "mount/..1/b.txt": false,
	} {
		for _, op := range []fsnotify.Op{fsnotify.Create, fsnotify.Write, fsnotify.Remove, fsnotify.Rename, fsnotify.Chmod} {
			if got := w.involved.in(fsnotify.Event{Name: path(name), Op: op}); got != want {
				t.Errorf("%v of %s counts: %v, want %v", op, name, got, want)
			}
		}
	}
	if !w.involved.in(fsnotify.Event{Name: path("real"), Op: fsnotify.Remove}) {
		t.Error("the end of a folder does not count")
	}
	if w.involved.in(fsnotify.Event{Name: dir, Op: fsnotify.Write}) {
		t.Error("it counts that some file came into a folder")
	}
}

// A host that cannot watch at the start watches as soon as it can, and says both once.
func TestFilesAreWatchedAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app-config.yaml")
	if err := os.WriteFile(path, []byte("a: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said []string
	w := newWatcher(t, dir, func(_ *Config, err error) {
		if unwatched, ok := errors.AsType[*WatchError](err); ok {
			said = append(said, unwatched.Error())
		}
	})
	_ = w.notifier.Close()
	w.notifier = nil
	w.remote.known = map[string]document{}
	broken := true
	w.newNotifier = func() (*fsnotify.Watcher, error) {
		if broken {
			return nil, syscall.EMFILE
		}
		return fsnotify.NewWatcher()
	}
	t.Cleanup(w.closeNotifier)
	w.openNotifier()
	w.check(t.Context(), true)
	w.poll(t.Context())
	if w.polled == nil || len(said) != 1 || !strings.Contains(said[0], "looked at every") {
		t.Errorf("said %q, want once that the files are looked at", said)
	}
	broken = false
	w.poll(t.Context())
	w.poll(t.Context())
	if w.polled != nil || len(said) != 2 || said[1] != "the files are watched again" {
		t.Errorf("said %q, want also once that the files are watched again", said)
	}
	if err := os.WriteFile(path, []byte("a: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if event := <-w.notifier.Events; !w.involved.in(event) {
		t.Errorf("event %v, want one of the file", event)
	}
}
