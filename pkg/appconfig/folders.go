package appconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// names are the files whose events count: by folder, the names in it, in lower case. Some file systems ignore case.
type names map[string]map[string]bool

func (n names) add(folder, name string) {
	if n[folder] == nil {
		n[folder] = map[string]bool{}
	}
	n[folder][strings.ToLower(name)] = true
}

// in reports whether an event is of one of the files, or says that a folder has gone. Some systems also report a folder
// as written when any file comes or goes in it.
func (n names) in(event fsnotify.Event) bool {
	if _, folder := n[event.Name]; folder && !event.Has(fsnotify.Write) {
		return true
	}
	return n[filepath.Dir(event.Name)][strings.ToLower(filepath.Base(event.Name))]
}

// openNotifier makes the notifier. Without one, the files are looked at.
func (w *watcher) openNotifier() {
	notifier, err := w.newNotifier()
	if err != nil {
		w.pollFiles(fmt.Errorf("files: %w", err))
		return
	}
	w.notifier = notifier
}

func (w *watcher) closeNotifier() {
	if w.notifier != nil {
		_ = w.notifier.Close()
	}
}

// pollFiles makes the watcher look at the files from now on, since err says why they cannot be watched. It reports that
// once.
func (w *watcher) pollFiles(err error) {
	if w.polled == nil {
		w.polled = time.After(filePoll)
		w.report(nil, &WatchError{fmt.Errorf("%w: files are looked at every %v instead", err, filePoll)})
	}
}

// follow makes the notifier watch exactly the folders in which a change can affect the files of the last load. It
// reports whether any of them is new.
func (w *watcher) follow() (added bool) {
	if w.notifier == nil {
		return false
	}
	w.involved = names{}
	w.files.mu.Lock()
	for path := range w.files.seen {
		w.involved.addPath(path)
	}
	w.files.mu.Unlock()
	folders := maps.Clone(w.involved)
	for _, folder := range w.notifier.WatchList() {
		if folders[folder] == nil {
			_ = w.notifier.Remove(folder)
		}
		delete(folders, folder)
	}
	var unwatched error
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		switch err := w.notifier.Add(folder); {
		case err == nil:
			added = true
		case unwatched == nil && !errors.Is(err, fs.ErrNotExist):
			unwatched = fmt.Errorf("%s: %w", folder, err)
		}
	}
	if unwatched != nil {
		w.pollFiles(unwatched)
	} else if w.polled != nil {
		w.polled = nil
		w.report(nil, &WatchError{})
	}
	return added
}

// addPath adds the names that can make path another file: its own, those of the symbolic links on the way, and if it is
// missing, the first part that is.
func (n names) addPath(path string) {
	at, rest := string(filepath.Separator), strings.TrimPrefix(filepath.Clean(path), string(filepath.Separator))
	for hops := 0; rest != "" && hops < 40; {
		part, tail, _ := strings.Cut(rest, string(filepath.Separator))
		next := filepath.Join(at, part)
		info, err := os.Lstat(next)
		switch {
		case err != nil:
			n.add(at, part)
			return
		case info.Mode()&fs.ModeSymlink != 0:
			n.add(at, part)
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
			n.add(at, part)
		}
		at, rest = next, tail
	}
}
