package appconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

const (
	settle     = 50 * time.Millisecond  // the time without events before a reload
	doubt      = 400 * time.Millisecond // the same if a file may be half written: see reload
	settleMost = time.Second            // the longest time from the first event to a reload

	defaultPoll = time.Minute
	filePoll    = 2 * time.Second // between looks at files that cannot be watched

	loadTimeout = time.Minute // for a reload
)

// Watch reports each change of a configuration until ctx ends, and then returns nil. current is the configuration in
// use, which Load made with the same options. Changes since then are reported too.
//
// report is called with a new snapshot, or with the error why there is none. Calls do not overlap. Only changes of
// the data are reported, not a save that changes nothing, and not the same error twice. The first snapshot after an
// error is always reported: it means that the error is gone.
//
// Watch watches all files of the configuration, also included files and default files that do not exist yet. It
// notices editors that replace a file, Kubernetes' swap of a symlink, and files that go and come back. Other files in
// the same folders count for nothing. If it cannot watch a folder, or none at all, it looks at the files every two
// seconds, and reports that once with a WatchError. It tries again at each Poll, and reports once that it works again.
// Remote documents are read again at an interval, pipes never. Providers that can watch their source do so. Backstage
// also watches files and remote documents, but stops at an error.
//
// A reload of more than a minute is given up with an error, and tried again later. When ctx ends, so does a load. What
// does not end for 20 seconds more, such as report, a look at a file on a server that is gone, or the Unwatch of a
// provider, is left behind with an error.
func Watch(ctx context.Context, o Options, current *Config, report func(*Config, error)) error {
	return untilDone(ctx, func() error { return watch(ctx, o, current, report, fsnotify.NewWatcher) })
}

func watch(ctx context.Context, o Options, current *Config, report func(*Config, error), newNotifier func() (*fsnotify.Watcher, error)) error {
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
	w := &watcher{loader: l, newNotifier: newNotifier, current: current, report: report, provided: make(chan error), remote: documents{
		fetch: l.fetch, known: map[string]document{},
	}}
	l.remote = w.remote.read
	w.openNotifier()
	defer w.closeNotifier()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range o.Providers {
		defer p.watch(ctx, w.provided)()
	}
	return w.run(ctx)
}

type watcher struct {
	loader      *loader
	newNotifier func() (*fsnotify.Watcher, error)
	notifier    *fsnotify.Watcher // nil if there is none
	involved    names             // whose events count
	report      func(*Config, error)
	current     *Config
	failed      string           // the error last reported, "" after a success
	polled      <-chan time.Time // fires when to look at the files; nil if all are watched
	files       *files           // of the last load
	used        *files           // of the last load that was used
	remote      documents
	provided    chan error // reports of providers: nil for a change, or an error

	changed   bool             // something other than a file changed
	settled   <-chan time.Time // fires when to check for changes; nil if nothing is scheduled
	touched   time.Time        // the last event
	latest    time.Time        // the latest time for that check
	refreshed <-chan refresh   // the result of the refresh in progress; nil if there is none
}

// run reports changes until ctx ends. Files may still be being written, so it checks for changes only after a while
// without events. That also holds for changes from before the files were watched, or while they were read.
func (w *watcher) run(ctx context.Context) error {
	interval := w.loader.options.Poll
	if interval <= 0 {
		interval = defaultPoll
	}
	poll := time.NewTicker(interval)
	defer poll.Stop()
	config, files, err := w.load(ctx)
	w.files, w.used = files, files
	w.follow()
	w.changed = err != nil || !sameLayers(w.current, config) // before the first load here, or in a remote document
	w.schedule()
	defer func() {
		if w.refreshed != nil {
			<-w.refreshed
		}
	}()
	for {
		var events <-chan fsnotify.Event
		var failures <-chan error
		if w.notifier != nil {
			events, failures = w.notifier.Events, w.notifier.Errors
		}
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-events:
			w.noticed(event, ok)
		case err := <-failures:
			if err != nil && !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.pollFiles(fmt.Errorf("files: %w", err))
			}
			w.notified(nil) // events were lost: anything may have changed
		case <-w.polled:
			w.polled = time.After(filePoll)
			if w.settled == nil && w.files.changed() {
				w.schedule()
			}
		case err := <-w.provided:
			w.notified(err)
		case <-w.loader.options.Reload:
			w.poll(ctx)
			w.notified(nil)
		case <-w.settled:
			w.settle(ctx)
		case <-poll.C:
			w.poll(ctx)
		case r := <-w.refreshed:
			w.refreshDone(ctx, r)
		}
	}
}

// noticed handles an event of the notifier, or its end.
func (w *watcher) noticed(event fsnotify.Event, ok bool) {
	if !ok {
		w.notifier = nil
		w.pollFiles(fmt.Errorf("files: %w", fsnotify.ErrClosed))
	} else if w.involved.in(event) {
		w.schedule()
		w.wait(settle)
	}
}

// schedule schedules a check for changes, unless there is one already.
func (w *watcher) schedule() {
	if w.settled == nil {
		w.latest = time.Now().Add(settleMost)
		w.wait(settle)
	}
}

// wait puts the scheduled check off until nothing has happened for a while from now on.
func (w *watcher) wait(quiet time.Duration) {
	w.touched = time.Now()
	w.settled = time.After(min(quiet, time.Until(w.latest)))
}

// notified handles a report of the notifier or a provider: nil for an unspecified change, or an error.
func (w *watcher) notified(err error) {
	if err != nil {
		w.report(nil, &WatchError{Err: err})
		return
	}
	w.changed = true
	w.schedule()
}

// settle checks for changes after a while without events.
func (w *watcher) settle(ctx context.Context) {
	changed := w.changed
	w.settled, w.changed = nil, false
	if w.check(ctx, changed) {
		w.schedule()
	}
}

// poll starts a refresh of the remote documents. It also checks the files, since some file systems give no events, and
// tries again to watch what cannot be watched.
func (w *watcher) poll(ctx context.Context) {
	if w.refreshed == nil {
		w.refreshed = w.remote.refresh(ctx, w.loader.targets)
	}
	if w.notifier == nil {
		w.openNotifier()
	}
	if w.polled != nil && w.follow() {
		w.schedule()
	}
	if w.settled == nil && w.stale() {
		w.schedule()
	}
}

// refreshDone handles the result of a refresh.
func (w *watcher) refreshDone(ctx context.Context, r refresh) {
	w.refreshed = nil
	for _, err := range r.errs {
		if ctx.Err() == nil && err.Error() != w.failed {
			w.report(nil, err)
		}
	}
	if r.changed {
		w.changed = true
		w.schedule()
	}
}

// check reloads if anything changed, and watches the right folders. It reports whether to check again in a while: for
// files that changed meanwhile, or in a folder that was not watched before and gave no events.
func (w *watcher) check(ctx context.Context, changed bool) (again bool) {
	if changed || w.stale() {
		w.reload(ctx)
	}
	return w.follow() || w.files.changed()
}

// stale reports whether a reload may give another result. After an error it always may: a file whose permissions were
// fixed looks unchanged.
func (w *watcher) stale() bool { return w.failed != "" || w.files.changed() }

// reload loads all sources and reports the result. A program may have emptied a file and not written it yet, or written
// the half of it, or removed it to put another in its place. So an error, and a file without its content, are reported
// only after a longer while without events, which the next load shows to be true.
func (w *watcher) reload(ctx context.Context) {
	config, files, err := w.load(ctx)
	w.files = files
	quiet := time.Since(w.touched)
	switch {
	case ctx.Err() != nil:
	case err != nil && err.Error() == w.failed:
	case (err != nil || files.lost(w.used)) && quiet < doubt && time.Now().Before(w.latest):
		w.changed, w.settled = true, time.After(min(doubt-quiet, time.Until(w.latest)))
	case err != nil:
		w.failed = err.Error()
		w.report(nil, err)
	case w.failed != "" || w.current == nil || !sameLayers(w.current, config):
		w.failed, w.current, w.used = "", config, files
		w.report(config, nil)
	default:
		w.used = files
	}
}

// load loads all sources in limited time: a source that hangs must not end the watching.
func (w *watcher) load(ctx context.Context) (*Config, *files, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, loadTimeout, fmt.Errorf("it was not read within %v", loadTimeout))
	defer cancel()
	return w.loader.load(ctx)
}

func sameLayers(a, b *Config) bool {
	return slices.EqualFunc(a.Layers(), b.Layers(), func(a, b Layer) bool {
		return a.Name == b.Name && a.Path == b.Path && value.Equal(a.Data, b.Data)
	})
}
