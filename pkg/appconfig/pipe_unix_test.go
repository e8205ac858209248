//go:build unix

package appconfig_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

func pipe(t *testing.T, path string) string {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A load of a pipe without a writer ends with its context, and leaves nothing running.
func TestLoadOfAPipeEndsWithItsContext(t *testing.T) {
	for name, writers := range map[string]int{"without a writer": 0, "with an idle writer": 1} {
		t.Run(name, func(t *testing.T) {
			path := pipe(t, filepath.Join(t.TempDir(), "pipe.yaml"))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := appconfig.Load(ctx, appconfig.Options{Targets: []string{path}})
				done <- err
			}()
			await(t, func(stacks string) bool { return strings.Contains(stacks, "appconfig.readAll") })
			for range writers {
				writer, err := os.OpenFile(path, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer writer.Close()
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
			await(t, func(stacks string) bool { return !strings.Contains(stacks, "appconfig.readSome") })
		})
	}
}

// Also one whose writer comes late, and writes in parts.
func TestPipesAreReadToTheirEnd(t *testing.T) {
	path := pipe(t, filepath.Join(t.TempDir(), "pipe.yaml"))
	unnamed, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unnamed.Close()
	write := func(w io.WriteCloser, text string) {
		for i := range len(text) {
			_, _ = w.Write([]byte{text[i]})
			runtime.Gosched()
		}
		_ = w.Close()
	}
	go write(writer, "b: 2\n")
	go func() {
		await(t, func(stacks string) bool { return strings.Contains(stacks, "appconfig.readAll") })
		if named, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			write(named, "a: 1\n")
		}
	}()
	config, err := appconfig.Load(t.Context(), appconfig.Options{Targets: []string{path, fmt.Sprintf("/dev/fd/%d", unnamed.Fd())}})
	if err != nil {
		t.Fatal(err)
	}
	a, err1 := config.GetNumber("a")
	b, err2 := config.GetNumber("b")
	if a != 1 || b != 2 {
		t.Errorf("a is %v, %v, b is %v, %v", a, err1, b, err2)
	}
}

// <(true) has no name that a program could open later: it is empty.
func TestUnnamedPipeMayBeEmpty(t *testing.T) {
	unnamed, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unnamed.Close()
	_ = writer.Close()
	var missing *appconfig.MissingError
	if _, err := appconfig.Load(t.Context(), appconfig.Options{Targets: []string{fmt.Sprintf("/dev/fd/%d", unnamed.Fd())}}); !errors.As(err, &missing) {
		t.Errorf("got %v, want an empty configuration", err)
	}
}

func TestPipesAreLimitedInSize(t *testing.T) {
	for _, path := range []string{"/dev/zero", pipe(t, filepath.Join(t.TempDir(), "pipe.yaml"))} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if writer, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil && path != "/dev/zero" {
				_, _ = writer.Write(make([]byte, 2*value.MaxFileSize)) // ends when the reader goes
				_ = writer.Close()
			}
		}()
		_, err := appconfig.Load(t.Context(), appconfig.Options{Targets: []string{path}})
		if err == nil || !strings.Contains(err.Error(), "is larger than") {
			t.Errorf("%s: %v", path, err)
		}
		<-done
	}
}

// Whatever may block or has no end is refused where a file is included, before it is opened.
func TestFIFOIsRefused(t *testing.T) {
	dir := t.TempDir()
	pipe(t, filepath.Join(dir, "pipe.yaml"))
	if err := os.Symlink("pipe.yaml", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero.yaml")); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "socket.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for include, want := range map[string]string{
		"{ $file: pipe.yaml }": "pipe.yaml is a pipe", "{ $include: pipe.yaml }": "pipe.yaml is a pipe", "{ $include: 'link.yaml#a.b' }": "link.yaml is a pipe",
		"{ $file: /dev/zero }": "/dev/zero is a device", "{ $file: /dev/tty }": "/dev/tty is a device", "{ $include: zero.yaml }": "zero.yaml is a device",
		"{ $file: socket.yaml }": "socket.yaml is a socket",
	} {
		path := filepath.Join(dir, "app-config.yaml")
		if err := os.WriteFile(path, []byte("a: "+include), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := appconfig.Load(t.Context(), appconfig.Options{Targets: []string{path}})
		if err == nil || !strings.Contains(err.Error(), want+", expected a regular file") || !strings.Contains(err.Error(), "error at .a") {
			t.Errorf("%s: %v", include, err)
		}
	}
}

// The project's root is looked for before anything is loaded.
func TestPackageFileThatBlocksIsSkipped(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	pipe(t, filepath.Join(dir, "package.json"))
	if err := os.WriteFile(filepath.Join(dir, "app-config.yaml"), []byte("a: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := appconfig.Load(t.Context(), appconfig.Options{}); err != nil {
		t.Error(err)
	}
}

// A file that becomes a pipe for a while does not stop the watching: the error is reported, and so is the repair. It may
// be the file itself or an included one.
func TestFileThatWasAPipeForAWhileIsReadAgain(t *testing.T) {
	for _, name := range []string{"part.yaml", "app-config.yaml"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			texts := map[string]string{"app-config.yaml": "a: { $include: part.yaml }\nb: 1", "part.yaml": "c: 1"}
			for name, text := range texts {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := appconfig.Options{Targets: []string{filepath.Join(dir, "app-config.yaml")}}
			current, err := appconfig.Load(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			type report struct {
				config *appconfig.Config
				err    error
			}
			reports, ended := make(chan report, 10), make(chan error, 1)
			go func() {
				ended <- appconfig.Watch(ctx, o, current, func(c *appconfig.Config, err error) { reports <- report{c, err} })
			}()
			replace := func(make func(path string)) {
				path := filepath.Join(dir, "new")
				make(path)
				if err := os.Rename(path, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			await(t, func(stacks string) bool { return strings.Contains(stacks, "(*watcher).run") })
			replace(func(path string) { pipe(t, path) })
			if r := <-reports; r.err == nil || !strings.Contains(r.err.Error(), "is a pipe") {
				t.Fatalf("got %v, want an error about a pipe", r.err)
			}
			replace(func(path string) {
				if err := os.WriteFile(path, []byte(strings.ReplaceAll(texts[name], "1", "2")), 0o600); err != nil {
					t.Fatal(err)
				}
			})
			if r := <-reports; r.err != nil {
				t.Errorf("the repair: %v", r.err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// await waits until the stacks of all goroutines are as wanted.
func await(t *testing.T, good func(stacks string) bool) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if good(string(stacks[:runtime.Stack(stacks, true)])) {
			return
		}
	}
	t.Errorf("still waiting:\n%s", stacks[:runtime.Stack(stacks, true)])
}
