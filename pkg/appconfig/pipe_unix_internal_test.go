//go:build unix

package appconfig

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipe has to end in time, with a writer that is idle and without one.
func TestPipesAreLimitedInTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.yaml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		files := &files{seen: map[string]fs.FileInfo{}}
		_, err := files.read(t.Context(), path, "%s", 20*time.Millisecond)
		if err == nil || !strings.HasSuffix(err.Error(), "pipe.yaml did not end within 20ms") {
			t.Errorf("got %v", err)
		}
		idle, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
}
