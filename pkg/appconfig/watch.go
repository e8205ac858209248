package appconfig

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

const (
	settle     = 100 * time.Millisecond // without an event before a change is looked at
	settleMost = time.Second            // but no longer than that after the first event

	defaultPoll = time.Minute
)

// Watch reports each change of a configuration until ctx ends, and then returns nil. current is the one in use,
// as Load made it of the same options; what changed since is reported too.
//
// report is called with a new snapshot or with the error why there is none, one call at a time. What is called a
// change is one of the data: a save that changes nothing is not reported, nor is the same error twice. The first
// snapshot after an error is reported in any case: it means that the error is gone.
//
// All files that are involved are watched, included ones and default files that are not there yet, through
// editors that write a new file, Kubernetes' swap of a symlink, and files that go and come back. A folder that cannot
// be watched is reported once, with a WatchError. Remote documents are read again at an interval, pipes never. Providers
// that watch their source are asked to.
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
	w := &watcher{loader: l, notifier: notifier, current: current, report: report, provided: make(chan error), remote: documents{
		fetch: l.fetch, known: map[string]document{},
	}}
	l.remote = w.remote.read
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range o.Providers {
		defer p.watch(ctx, w.provided)()
	}
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
	provided chan error // what providers reported: a change, or the error why there are no more

	changed   bool             // something other than a file changed
	settled   <-chan time.Time // when to look at changes; nil if there are none
	latest    time.Time        // when to look at them at the latest
	refreshed <-chan refresh   // of the reading of remote documents that is under way
}

// run reports changes until ctx ends. Files may still be being written, so a change is looked at only after a while
// without an event, also if it came before the files were watched, or while they were read.
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
	w.changed = err != nil || !sameLayers(w.current, config) // before the first look, or in a remote document
	w.look()
	defer func() {
		if w.refreshed != nil {
			<-w.refreshed
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
			w.look()
			w.settled = time.After(min(settle, time.Until(w.latest)))
		case err, ok := <-w.notifier.Errors:
			if !ok {
				return nil
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				err = nil // events were lost: anything may have changed
			}
			w.told(err)
		case err := <-w.provided:
			w.told(err)
		case <-w.settled:
			w.settle(ctx)
		case <-poll.C:
			w.poll(ctx)
		case r := <-w.refreshed:
			w.take(ctx, r)
		}
	}
}

// look has the changes looked at in a while.
func (w *watcher) look() {
	if w.settled == nil {
		w.settled, w.latest = time.After(settle), time.Now().Add(settleMost)
	}
}

// told takes in a change that the notifier or a provider reported without saying which, or the error why it cannot.
func (w *watcher) told(err error) {
	if err != nil {
		w.report(nil, &WatchError{err})
		return
	}
	w.changed = true
	w.look()
}

// settle looks at the changes, a while after the last event.
func (w *watcher) settle(ctx context.Context) {
	changed := w.changed
	w.settled, w.changed = nil, false
	if w.check(ctx, changed) {
		w.look()
	}
}

// poll has the remote documents read again. Some file systems give no events, so files are looked at too.
func (w *watcher) poll(ctx context.Context) {
	if w.refreshed == nil {
		w.refreshed = w.remote.refresh(ctx, w.loader.targets)
	}
	if w.settled == nil && w.stale() {
		w.look()
	}
}

// take takes in what came of reading the remote documents again.
func (w *watcher) take(ctx context.Context, r refresh) {
	w.refreshed = nil
	for _, err := range r.errs {
		if ctx.Err() == nil && err.Error() != w.failed {
			w.report(nil, err)
		}
	}
	if r.changed {
		w.changed = true
		w.look()
	}
}

// check reloads if anything changed, and watches the right folders. It reports whether to look again in a while: at
// what changed meanwhile, or in a folder that was not watched yet and gave no event.
func (w *watcher) check(ctx context.Context, changed bool) (again bool) {
	if changed || w.stale() {
		w.reload(ctx)
	}
	return w.follow() || w.files.changed()
}

// stale reports whether a reload may give something else. After an error it always may: a file whose permissions are
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
