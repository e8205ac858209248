package appconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

const (
	settle     = 100 * time.Millisecond // without an event before a change is looked at
	settleMost = time.Second            // but no longer than that after the first event
)

// Watch reports each change of a configuration until ctx ends, and then returns nil. current is the one in use,
// as Load made it of the same options; what changed since is reported too.
//
// report is called with a new snapshot or with the error why there is none, one call at a time. What is called a
// change is one of the data: a save that changes nothing is not reported, nor is the same error twice. The first
// snapshot after an error is reported in any case: it tells that the error is gone.
//
// All files that are involved are watched, included ones and default files that are not there yet, through
// editors that write a new file, Kubernetes' swap of a symlink, and files that go and come back. A folder that cannot
// be watched is reported once, with a WatchError. Remote documents are read again at an interval, and pipes never.
// Backstage watches files and remote documents alike, but gives up on an error.
func Watch(ctx context.Context, o Options, current *Config, report func(*Config, error)) error {
	l, err := newLoader(o)
	if err != nil {
		return err
	}
	l.once = map[string]Layer{}
	for _, layer := range current.Layers() {
		if info, err := os.Stat(layer.Path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			l.once[layer.Path] = layer
		}
	}
	notifier, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = notifier.Close() }()
	w := &watcher{loader: l, notifier: notifier, current: current, report: report, remote: documents{
		fetch: l.fetch, texts: map[string][]byte{}, fails: map[string]string{},
	}}
	l.remote = w.remote.read
	return w.run(ctx)
}

type watcher struct {
	loader   *loader
	notifier *fsnotify.Watcher
	report   func(*Config, error)
	current  *Config
	failed   string          // the error last reported, "" after a success
	blind    map[string]bool // the folders that cannot be watched
	files    *files          // of the last load
	remote   documents
}

// run reports changes until ctx ends. Nothing is reported of files that may still be being written: there has to be
// a while without an event first, also for what changed before the files were watched, or while they were read.
func (w *watcher) run(ctx context.Context) error {
	interval := w.loader.options.Poll
	if interval <= 0 {
		interval = defaultPoll
	}
	poll := time.NewTicker(interval)
	defer poll.Stop()
	config, files, err := w.loader.load(ctx)
	w.files = files
	w.follow()
	changed := err != nil || !sameLayers(w.current, config) // before the first look, or in a remote document
	var settled <-chan time.Time
	var latest time.Time // when to look at the changes under way at the latest
	look := func() {
		if settled == nil {
			settled, latest = time.After(settle), time.Now().Add(settleMost)
		}
	}
	look()
	var refreshed <-chan refresh // of the reading of remote documents that is under way
	defer func() {
		if refreshed != nil {
			<-refreshed
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.notifier.Events:
			if !ok {
				return nil
			}
			look()
			settled = time.After(min(settle, time.Until(latest)))
		case err, ok := <-w.notifier.Errors:
			if !ok {
				return nil
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				settled = time.After(settle) // events were lost: look at the files
				continue
			}
			w.report(nil, &WatchError{fmt.Errorf("files: %w", err)})
		case <-settled:
			settled = nil
			if w.check(ctx, changed) {
				look()
			}
			changed = false
		case <-poll.C:
			if refreshed == nil {
				refreshed = w.remote.refresh(ctx, w.loader.targets)
			}
			// Some file systems give no events, so files are looked at too.
			if settled == nil && w.stale() {
				look()
			}
		case r := <-refreshed:
			refreshed = nil
			for _, err := range r.errs {
				if ctx.Err() == nil && err.Error() != w.failed {
					w.report(nil, err)
				}
			}
			if r.changed {
				changed = true
				look()
			}
		}
	}
}

// check reloads if anything changed, and watches the right folders. It tells whether to look again in a while: at
// what changed meanwhile, or in a folder that was not watched yet and gave no event.
func (w *watcher) check(ctx context.Context, changed bool) (again bool) {
	if changed || w.stale() {
		w.reload(ctx)
	}
	return w.follow() || w.files.changed()
}

// stale tells whether a reload may give something else. After an error it always may: a file whose permissions are
// put right looks as it did before.
func (w *watcher) stale() bool { return w.failed != "" || w.files.changed() }

// reload loads everything and reports what came of it.
func (w *watcher) reload(ctx context.Context) {
	config, files, err := w.loader.load(ctx)
	w.files = files
	switch {
	case ctx.Err() != nil:
	case err != nil:
		if err.Error() != w.failed {
			w.failed = err.Error()
			w.report(nil, err)
		}
	case w.failed != "" || w.current == nil || !sameLayers(w.current, config):
		w.failed, w.current = "", config
		w.report(config, nil)
	}
}

func sameLayers(a, b *Config) bool {
	return slices.EqualFunc(a.Layers(), b.Layers(), func(a, b Layer) bool {
		return a.Name == b.Name && a.Path == b.Path && value.Equal(a.Data, b.Data)
	})
}

// documents holds the remote documents as they were last read, by URL.
type documents struct {
	fetch func(context.Context, *url.URL) ([]byte, error)
	mu    sync.Mutex
	texts map[string][]byte
	fails map[string]string // the error that was last reported
}

// read returns a remote document, from memory where it was read before.
func (d *documents) read(ctx context.Context, u *url.URL) ([]byte, error) {
	d.mu.Lock()
	text, ok := d.texts[u.String()]
	d.mu.Unlock()
	if ok {
		return text, nil
	}
	text, err := d.fetch(ctx, u)
	if err == nil {
		d.store(u, text)
	}
	return text, err
}

// store tells whether the text is another than before.
func (d *documents) store(u *url.URL, text []byte) (changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, ok := d.texts[u.String()]
	d.texts[u.String()] = text
	delete(d.fails, u.String())
	return !ok || !bytes.Equal(before, text)
}

// fail tells whether the error is another than before.
func (d *documents) fail(u *url.URL, err error) (news bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	news = d.fails[u.String()] != err.Error()
	d.fails[u.String()] = err.Error()
	return news
}

// refresh is what came of reading the remote documents again.
type refresh struct {
	changed bool
	errs    []error // that are news
}

// refresh reads the remote documents again, while the watcher goes on: a server may take long. One that cannot be
// read stays as it was.
func (d *documents) refresh(ctx context.Context, targets []target) <-chan refresh {
	done := make(chan refresh, 1)
	go func() {
		var r refresh
		for _, t := range targets {
			if t.url == nil {
				continue
			}
			if text, err := d.fetch(ctx, t.url); err == nil {
				r.changed = d.store(t.url, text) || r.changed
			} else if d.fail(t.url, err) {
				r.errs = append(r.errs, err)
			}
		}
		done <- r
	}()
	return done
}

// changed tells whether any file is in another state than when it was read.
func (f *files) changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, before := range f.seen {
		now, err := os.Stat(path)
		if (err != nil) != (before == nil) {
			return true
		}
		if err == nil && (!os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime()) || before.Size() != now.Size()) {
			return true
		}
	}
	return false
}

// follow has the notifier watch the folders that decide what the files of the last load are, and no others. It
// tells whether some are new.
func (w *watcher) follow() (added bool) {
	folders := map[string]bool{}
	w.files.mu.Lock()
	for path := range w.files.seen {
		addFolders(folders, path)
	}
	w.files.mu.Unlock()
	for _, folder := range w.notifier.WatchList() {
		if !folders[folder] {
			_ = w.notifier.Remove(folder)
		}
		delete(folders, folder)
	}
	blind := map[string]bool{}
	for folder := range folders {
		switch err := w.notifier.Add(folder); {
		case err == nil:
			added = true
		case !errors.Is(err, fs.ErrNotExist):
			if blind[folder] = true; !w.blind[folder] {
				w.report(nil, &WatchError{fmt.Errorf("%s: %w", folder, err)})
			}
		}
	}
	w.blind = blind
	return added
}

// addFolders adds the folders in which a change may make path another file: its own, those of the symbolic links
// on the way, and where it is missing the deepest folder that is there.
func addFolders(folders map[string]bool, path string) {
	at, rest := string(filepath.Separator), strings.TrimPrefix(filepath.Clean(path), string(filepath.Separator))
	for hops := 0; rest != "" && hops < 40; {
		part, tail, _ := strings.Cut(rest, string(filepath.Separator))
		next := filepath.Join(at, part)
		info, err := os.Lstat(next)
		switch {
		case err != nil:
			folders[at] = true
			return
		case info.Mode()&fs.ModeSymlink != 0:
			folders[at] = true
			target, err := os.Readlink(next)
			if err != nil {
				return
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(at, target)
			}
			at, rest = string(filepath.Separator), strings.TrimPrefix(filepath.Join(target, tail), string(filepath.Separator))
			hops++
			continue
		case tail == "":
			folders[at] = true
		}
		at, rest = next, tail
	}
}
