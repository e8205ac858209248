//go:build unix

package appconfig_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// A load of a pipe without a writer ends with its context, and leaves nothing running.
func TestLoadOfAPipeEndsWithItsContext(t *testing.T) {
	for name, writers := range map[string]int{"without a writer": 0, "with an idle writer": 1} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pipe.yaml")
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := appconfig.Load(ctx, appconfig.Options{Targets: []string{path}})
				done <- err
			}()
			await(t, func(stacks string) bool { return strings.Contains(stacks, "syscall.open") })
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

// await waits until the stacks of all goroutines are as wanted.
func await(t *testing.T, good func(stacks string) bool) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if good(string(stacks[:runtime.Stack(stacks, true)])) {
			return
		}
	}
	t.Fatalf("still waiting:\n%s", stacks[:runtime.Stack(stacks, true)])
}
