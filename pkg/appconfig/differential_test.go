//go:build conformance

package appconfig_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tests in this file run the real @backstage/config-loader. They need Node 20 and npm, and install the packages
// that conformance/package.json pins into .cache at the top of the repository:
//
//	go test -tags conformance -run TestDifferential -v ./pkg/appconfig
//	go test -tags conformance -run xxx -bench Against ./pkg/appconfig

// oracle copies the folder conformance to a place where packages may be installed, installs them and returns its
// path.
func oracle(tb testing.TB) string {
	tb.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", ".cache", "config-loader"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "new"), os.DirFS("conformance")); err != nil {
		tb.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range names {
		if err := os.Rename(name, filepath.Join(dir, filepath.Base(name))); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "new")); err != nil {
		tb.Fatal(err)
	}
	run(tb, dir, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error")
	return dir
}

func run(tb testing.TB, dir, name string, args ...string) string {
	tb.Helper()
	command := exec.CommandContext(tb.Context(), name, args...)
	command.Dir = dir
	var problems strings.Builder
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, problems.String())
	}
	return string(out)
}

// TestDifferential makes random layered configurations, reads them with the real loader too, and compares. It fails
// at the first difference. UNDERSTUDY_SEEDS lists seeds to use in place of 1 to 4, separated by commas.
func TestDifferential(t *testing.T) {
	const perSeed = 500
	seeds := []string{"1", "2", "3", "4"}
	if names := os.Getenv("UNDERSTUDY_SEEDS"); names != "" {
		seeds = strings.Split(names, ",")
	}
	dir := oracle(t)
	run(t, dir, "node", "oracle.mjs", "check", mustAbs(t, filepath.Join("testdata", "cases")))
	listed := readDeviations(t)
	same, different := 0, 0
	for _, seed := range seeds {
		out := filepath.Join(t.TempDir(), "seed-"+seed)
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, dir, "node", "fuzz.mjs", "--count", fmt.Sprint(perSeed), "--seed", seed, "--out", filepath.Join(out, "cases.jsonl"))
		for _, c := range readCases(t, out) {
			diff := runCase(t, c)
			switch reason := listed.reason(c, diff, true); {
			case diff == "":
				same++
			case reason != "":
				different++
				t.Logf("%s differs on purpose: %s", c.Name, reason)
			default:
				files, _ := json.MarshalIndent(c.Files, "", "  ")
				t.Fatalf("%s differs after %d that did not (-want +got):\n%s\n%s", c.Name, same, diff, files)
			}
		}
	}
	t.Logf("%d random configurations compared with the real loader: %d the same, %d differ on purpose",
		same+different, same, different)
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// BenchmarkAgainstConfigLoader loads the same layers with the real loader, warm in its own process, and with ours, in
// turns. It reports how many times faster ours is, by the medians.
func BenchmarkAgainstConfigLoader(b *testing.B) {
	dir, options := oracle(b), writeBenchSet(b)
	var ratios []float64
	for b.Loop() {
		var real struct{ Median float64 }
		if err := json.Unmarshal([]byte(run(b, dir, "node", "bench.mjs", "time", options.Dir, "200")), &real); err != nil {
			b.Fatal(err)
		}
		var times []time.Duration
		for range 200 {
			times = append(times, loadOnce(b, options))
		}
		slices.Sort(times)
		ratios = append(ratios, real.Median*float64(time.Millisecond)/float64(times[len(times)/2]))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "times-faster")
}
