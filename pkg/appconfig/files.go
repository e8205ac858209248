package appconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// loadFile loads a local file and all that it includes, and notes what it reads.
func (l *loader) loadFile(path string, files *files) (Layer, error) {
	t := &transformer{environ: l.environ, readFile: func(path string) (string, error) {
		text, err := files.read(path, `failed to include "%s", file does not exist`)
		return js.DecodeUTF8(text), err
	}}
	read := func() ([]byte, error) { return files.read(path, `Config file "%s" does not exist`) }
	return loadLayer(filepath.Base(path), path, t, read)
}

// files notes which files a load looked at, and in which state they were.
type files struct {
	mu   sync.Mutex
	seen map[string]fs.FileInfo // by absolute path; nil for one that is not there
}

// stat looks at a file.
func (f *files) stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.seen[path]; !ok { // the state before it was read counts
		f.seen[path] = info
	}
	return info, err
}

// read reads a file; missing is what the error says of one that is not there. A file that is empty is given a
// moment, for a program that is just writing it.
func (f *files) read(path, missing string) ([]byte, error) {
	info, err := f.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{path, fmt.Sprintf(missing, path)}
	} else if err != nil {
		return nil, err
	}
	text, err := readSome(path, info.Size())
	if err == nil && len(text) == 0 {
		time.Sleep(10 * time.Millisecond)
		text, err = readSome(path, info.Size())
	}
	return text, err
}

// readSome reads a file up to the limit, whatever size it claims to have: a pipe or a device has none.
func readSome(path string, size int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var text bytes.Buffer
	text.Grow(int(min(size, value.MaxFileSize)) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(file, value.MaxFileSize+1)); err != nil {
		return nil, err
	}
	if text.Len() > value.MaxFileSize {
		return nil, fmt.Errorf("file %s is larger than %d bytes", path, value.MaxFileSize)
	}
	return text.Bytes(), nil
}
