//go:build standin

package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// installed returns a folder with the backend and its packages. What npm installs is kept in the user's cache folder, one
// folder for each backend.
var installed = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "index.js"} {
		text, err := os.ReadFile(filepath.Join("backend", name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	parent := filepath.Join(cache, "understudy", "standin")
	dir := filepath.Join(parent, hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	// A folder with its final name is complete, whoever else installs at the same time.
	fresh, err := os.MkdirTemp(parent, "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := os.CopyFS(fresh, os.DirFS("backend")); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "ci")
	npm.Dir = fresh
	if output, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, output)
	}
	if err := os.Rename(fresh, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(dir); there != nil {
			return "", err
		}
	}
	return dir, nil
})

// backendDir returns the folder of the backend. Without npm the test is skipped, or fails where CI is set.
func backendDir(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("there is no %s, which the real backend needs: install Node 20", program)
			}
			t.Skipf("SKIPPED: there is no %s, which the real backend needs: install Node 20", program)
		}
	}
	dir, err := installed()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
