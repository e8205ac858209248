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

// files records the files that a load used, and the state of each.
type files struct {
	mu   sync.Mutex
	seen map[string]fs.FileInfo // by absolute path; nil if the file does not exist
}

// stat returns the state of a file and records it.
func (f *files) stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.seen[path]; !ok { // keep the state from before the file was read
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

// emptyDelay is the wait before an empty file is read again: a program may be about to write it.
const emptyDelay = 10 * time.Millisecond

// read reads a file. missing is the format of the error if the file does not exist. An empty file is read again after
// a short delay.
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
	case <-time.After(emptyDelay):
		return readSome(ctx, path, info)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readSome reads a file up to the size limit. It does not trust the reported size: pipes and devices have none.
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

// endOpen makes an os.Open of a pipe return that waits for a writer.
func endOpen(path string) {
	if writer, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		_ = writer.Close()
	}
}
