package appconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

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

// changed reports whether any file is in another state than when it was read.
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

// moment is how long a program that is just writing a file has to get on with it.
const moment = 10 * time.Millisecond

// read reads a file; missing is what the error says of one that is not there. A file that is empty is given a
// moment.
func (f *files) read(ctx context.Context, path, missing string) ([]byte, error) {
	info, err := f.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{path, fmt.Sprintf(missing, path)}
	} else if err != nil {
		return nil, err
	}
	text, err := readSome(ctx, path, info)
	if err != nil || len(text) > 0 || !info.Mode().IsRegular() {
		return text, err
	}
	select {
	case <-time.After(moment):
		return readSome(ctx, path, info)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readSome reads a file up to the limit, whatever size it claims to have: a pipe or a device has none.
func readSome(ctx context.Context, path string, info fs.FileInfo) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		defer context.AfterFunc(ctx, func() { endOpen(path) })()
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	defer context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })()
	var text bytes.Buffer
	text.Grow(int(min(info.Size(), value.MaxFileSize)) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(file, value.MaxFileSize+1)); err != nil {
		return nil, err
	}
	if text.Len() > value.MaxFileSize {
		return nil, fmt.Errorf("file %s is larger than %d bytes", path, value.MaxFileSize)
	}
	return text.Bytes(), nil
}

// endOpen ends the opening of a pipe, which waits for a writer.
func endOpen(path string) {
	if writer, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		_ = writer.Close()
	}
}
