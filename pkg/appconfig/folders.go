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
)

// follow makes the notifier watch exactly the folders in which a change can affect the files of the last load. It
// reports whether any of them is new.
func (w *watcher) follow() (added bool) {
	if w.notifier == nil {
		return false
	}
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
	} else {
		w.polled = nil
	}
	return added
}

// addFolders adds the folders in which a change can make path another file: its own, those of the symbolic links on
// the way, and if the file is missing, the deepest folder that exists.
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
