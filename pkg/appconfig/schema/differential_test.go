//go:build conformance

package schema

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDifferential compares Process with the real @backstage/config-loader on random schemas and layers. It needs Node
// 20 and npm, and installs the packages that ../conformance/package.json pins into .cache at the top of the repository.
// UNDERSTUDY_SEEDS lists seeds to use in place of 1 and 2, separated by commas.
func TestDifferential(t *testing.T) {
	seeds := []string{"1", "2"}
	if names := os.Getenv("UNDERSTUDY_SEEDS"); names != "" {
		seeds = strings.Split(names, ",")
	}
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", ".cache", "config-schema"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "fuzz-schema.mjs"} {
		text, err := os.ReadFile(filepath.Join("..", "conformance", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
	for _, seed := range seeds {
		file := filepath.Join(t.TempDir(), seed+".jsonl")
		if err := os.WriteFile(file, run(t, dir, "node", "fuzz-schema.mjs", seed, "500"), 0o600); err != nil {
			t.Fatal(err)
		}
		replay(t, file)
	}
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir, command.Stderr = dir, os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}
