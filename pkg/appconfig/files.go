package appconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
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

// lost reports whether a file that had content before has none now.
func (f *files) lost(before *files) bool {
	if before == nil || f == before {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before.mu.Lock()
	defer before.mu.Unlock()
	for path, now := range f.seen {
		if was := before.seen[path]; was != nil && was.Size() > 0 && (now == nil || now.Size() == 0) {
			return true
		}
	}
	return false
}

// emptyDelay is the wait before an empty file is read again: a program may be about to write it.
const emptyDelay = 10 * time.Millisecond

// streamLimit is the time in which everything has to come out of a pipe or a device.
const streamLimit = time.Minute

// read reads a file. missing is the format of the error if the file does not exist. stream is how
// long reading a pipe or a device such as /dev/stdin may take; 0 refuses all but regular files. An empty file is read again
// after a short delay.
func (f *files) read(ctx context.Context, path, missing string, stream time.Duration) (_ []byte, err error) {
	defer func() {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			failed.Path = displayPath(failed.Path)
		}
	}()
	info, err := f.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{path, fmt.Sprintf(missing, displayPath(path))}
	} else if err != nil {
		return nil, err
	}
	text, err := readSome(ctx, path, info, stream)
	if err != nil || len(text) > 0 || !info.Mode().IsRegular() {
		return text, err
	}
	if err := sleep(ctx, emptyDelay); err != nil {
		return nil, err
	}
	return readSome(ctx, path, info, stream)
}

// readSome reads a file up to the size limit, and until ctx ends. It does not trust info, which is from before: the file
// may be another one by now. Nor does it trust the reported size: pipes and devices have none.
func readSome(ctx context.Context, path string, info fs.FileInfo, stream time.Duration) ([]byte, error) {
	// Before it is opened, since that may have an effect: a device may do something, a pipe tells its writer.
	if err := errors.Join(ctx.Err(), checkKind(path, info, stream > 0)); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // does not wait for the writer of a pipe
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if err := checkKind(path, info, stream > 0); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, stream, fmt.Errorf("%s did not end within %s", displayPath(path), stream))
		defer cancel()
	}
	defer context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })()
	text, err := readAll(ctx, file, info, awaitsWriter(path, info))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil && len(text) > value.MaxFileSize {
		err = fmt.Errorf("file %s is larger than %d bytes", displayPath(path), value.MaxFileSize)
	}
	return text, err
}

// readAll reads an open file, up to one byte more than the size limit. If it awaits a writer, an end before the first byte
// means that no program writes to the pipe yet.
func readAll(ctx context.Context, file io.Reader, info fs.FileInfo, await bool) ([]byte, error) {
	var text bytes.Buffer
	text.Grow(int(min(info.Size(), value.MaxFileSize)) + bytes.MinRead)
	for {
		if _, err := text.ReadFrom(io.LimitReader(file, value.MaxFileSize+1)); err != nil {
			return nil, err
		}
		if text.Len() > 0 || !await {
			return text.Bytes(), nil
		}
		if err := sleep(ctx, emptyDelay); err != nil {
			return nil, err
		}
	}
}

// checkKind refuses what is not a regular file, except what may be read as a stream. A folder is not refused: reading it
// fails by itself.
func checkKind(path string, info fs.FileInfo, stream bool) error {
	kind := "a special file"
	switch mode := info.Mode(); {
	case mode.IsRegular(), mode.IsDir(), stream && mode&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0:
		return nil
	case mode&fs.ModeNamedPipe != 0:
		kind = "a pipe"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return fmt.Errorf("%s is %s, expected a regular file", displayPath(path), kind)
}

// awaitsWriter reports whether a file is a pipe with a name: another program opens it to write, now or later. The pipe
// of <(…) and of standard input has its writer already.
func awaitsWriter(path string, info fs.FileInfo) bool {
	return info.Mode()&fs.ModeNamedPipe != 0 && !strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/proc/")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
