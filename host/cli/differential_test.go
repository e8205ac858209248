//go:build conformance

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDifferentialCommands compares config:check and config:print with those of backstage-cli, on random mistakes in the configuration of a
// repository with many of Backstage's packages. It needs Node 20 and npm. UNDERSTUDY_SEEDS is the seed to use in place of 1.
func TestDifferentialCommands(t *testing.T) {
	seed := os.Getenv("UNDERSTUDY_SEEDS")
	if seed == "" {
		seed = "1"
	}
	dir, err := filepath.Abs(filepath.Join("..", "..", ".cache", "config-commands"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	record := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "wholeapp", "record.mjs"), dir, seed, "60")
	record.Stderr = os.Stderr
	if err := record.Run(); err != nil {
		t.Fatal(err)
	}
	replay(t, dir)
}
