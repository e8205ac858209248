package dev

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	quiet     = 20 * time.Millisecond  // without events, before the files are looked at
	quietMost = 500 * time.Millisecond // from the first event on
	polling   = 2 * time.Second        // between looks without a notifier
	safety    = 30 * time.Second       // between looks with one: some file systems give no events
)

// watcher tells which files of a program have changed. Events only say when to look: what counts is the state of the
// files, so that a save that is undone, a swap of a symbolic link and a file that goes and comes back are what they are.
type watcher struct {
	changes  chan []string
	replaced chan *sources

	sources  *sources
	state    map[string]fileState
	notifier *fsnotify.Watcher // nil if there is none
	names    map[string]bool   // base names whose events count, beside those of code
}

// fileState tells two versions of a file apart: also two files of one size that were written in the same tick of the file
// system's clock. The zero value is a file that does not exist.
type fileState struct {
	info fs.FileInfo
	new  bool // other than every other state
}

func (a fileState) is(b fileState) bool {
	if a.info == nil || b.info == nil {
		return a.info == b.info && a.new == b.new
	}
	return os.SameFile(a.info, b.info) && a.info.Size() == b.info.Size() && a.info.ModTime().Equal(b.info.ModTime()) && a.info.Mode() == b.info.Mode()
}

func newWatcher(s *sources) *watcher {
	w := &watcher{changes: make(chan []string), replaced: make(chan *sources, 1), sources: s}
	w.notifier, _ = fsnotify.NewWatcher() // otherwise it looks by itself
	w.state = w.look()
	w.follow()
	return w
}

// use changes what is watched. nil means that it is as before. It does not wait.
func (w *watcher) use(s *sources) {
	if s == nil {
		return
	}
	select {
	case <-w.replaced: // that was not taken yet
	default:
	}
	w.replaced <- s
}

// run sends the files that have changed until ctx ends.
func (w *watcher) run(ctx context.Context) {
	if w.notifier != nil {
		defer func(n *fsnotify.Watcher) { _ = n.Close() }(w.notifier)
	}
	var settled <-chan time.Time
	var latest time.Time
	var changed []string // that nobody has taken yet
	schedule := func() {
		if settled == nil {
			latest = time.Now().Add(quietMost)
		}
		settled = time.After(min(quiet, time.Until(latest)))
	}
	for {
		var events chan fsnotify.Event
		var failures chan error
		interval := polling
		if w.notifier != nil {
			events, failures, interval = w.notifier.Events, w.notifier.Errors, safety
		}
		var changes chan []string
		if len(changed) > 0 {
			changes = w.changes
		}
		select {
		case <-ctx.Done():
			return
		case event, ok := <-events:
			if !ok {
				w.notifier = nil
			} else if w.counts(event.Name) {
				schedule()
			}
		case <-failures: //nolint:errcheck // events were lost, whatever the reason
			schedule()
		case <-time.After(interval):
			schedule()
		case s := <-w.replaced:
			w.replace(s)
			schedule()
		case <-settled:
			settled = nil
			changed = slices.Compact(slices.Sorted(slices.Values(append(changed, w.changed()...))))
			if len(changed) == 0 {
				w.follow()
			}
		case changes <- changed:
			changed = nil
			w.follow() // now that the build has begun
		}
	}
}

// replace changes what is watched. A file that is new to the list is a change if it was written after the build began: that
// build may have read what was there before.
func (w *watcher) replace(s *sources) {
	if s.partial {
		maps.Copy(s.files, w.sources.files)
		maps.Copy(s.code, w.sources.code)
		maps.Copy(s.data, w.sources.data)
	}
	w.sources = s
	next := w.look()
	for path, now := range next {
		if before, known := w.state[path]; known {
			next[path] = before
		} else if now.info != nil && now.info.ModTime().After(s.since) {
			next[path] = fileState{new: true}
		}
	}
	w.state = next
	w.follow()
}

// changed returns the files in another state than before.
func (w *watcher) changed() (paths []string) {
	next := w.look()
	for path, now := range next {
		if before := w.state[path]; !before.is(now) {
			paths = append(paths, path)
		}
	}
	for path := range w.state {
		if _, still := next[path]; !still {
			paths = append(paths, path)
		}
	}
	w.state = next
	return paths
}

// look returns the state of all files, and of new ones that belong to the program.
func (w *watcher) look() map[string]fileState {
	state := make(map[string]fileState)
	note := func(path string) {
		info, err := os.Stat(path)
		if err != nil {
			state[path] = fileState{}
			return
		}
		state[path] = fileState{info: info}
	}
	for path := range w.sources.files {
		note(path)
	}
	folder := func(dir string, wanted func(name string) bool) {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			if path := filepath.Join(dir, entry.Name()); !entry.IsDir() && wanted(entry.Name()) {
				note(path)
			}
		}
	}
	for dir := range w.sources.code {
		folder(dir, isCode)
	}
	for dir := range w.sources.data {
		folder(dir, isData)
	}
	return state
}

// isCode reports whether go build may read a file of this name.
func isCode(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && name[0] != '.' && name[0] != '_'
}

// isData reports whether a file of this name is one that is embedded, and not an editor's.
func isData(name string) bool {
	return name[0] != '.' && name[0] != '_' && !strings.HasSuffix(name, "~") && name != "4913"
}

// counts reports whether an event may be about a file of the program.
func (w *watcher) counts(path string) bool {
	name := filepath.Base(path)
	return isCode(name) || w.names[name] || w.sources.data[filepath.Dir(path)] && isData(name)
}

// follow makes the notifier watch the folders in which a change can affect the files, also those of symbolic links.
func (w *watcher) follow() {
	if w.notifier == nil {
		return
	}
	folders, names := map[string]bool{}, map[string]bool{}
	for path := range w.sources.files {
		addFolders(folders, names, path)
	}
	for dir := range w.sources.code {
		addFolders(folders, names, filepath.Join(dir, "x"))
	}
	w.names = names
	for _, folder := range w.notifier.WatchList() {
		if !folders[folder] {
			_ = w.notifier.Remove(folder)
		}
		delete(folders, folder)
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		_ = w.notifier.Add(folder) // a folder that is gone is noticed in the one above
	}
}

// addFolders adds the folders to watch for a path, and the names in them that lead to it.
func addFolders(folders, names map[string]bool, path string) {
	names[filepath.Base(path)] = true
	for range 40 {
		at := path
		for { // from the file upwards: the lowest link, or the lowest folder that exists
			above := filepath.Dir(at)
			info, err := os.Lstat(above)
			if err == nil && info.IsDir() {
				folders[above] = true
				break
			}
			if names[filepath.Base(above)] = true; above == at {
				return
			}
			at = above
		}
		link, rest := lowestLink(path)
		if link == "" {
			return
		}
		names[filepath.Base(link)] = true
		folders[filepath.Dir(link)] = true
		target, err := os.Readlink(link)
		if err != nil {
			return
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		path = filepath.Join(target, rest)
		names[filepath.Base(path)] = true
	}
}

// lowestLink returns the symbolic link that is nearest to the file in its path, and what comes after it.
func lowestLink(path string) (link, rest string) {
	for at := path; ; at = filepath.Dir(at) {
		if info, err := os.Lstat(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return at, rest
		}
		if at == filepath.Dir(at) {
			return "", ""
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}
