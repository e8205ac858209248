//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromium is the browser of all tests, or the reason why there is none.
var chromium struct {
	ctx     context.Context
	missing string
}

// told holds the printed reasons for skipping tests.
var told sync.Map

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	path := find("chromium", "chromium-browser", "google-chrome", "chrome")
	if path == "" {
		chromium.missing = "there is no Chromium: install it (Debian: apt-get install chromium)"
		return m.Run()
	}
	profile, err := os.MkdirTemp("", "understudy-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(profile)
	// chromedp's defaults are not used: they turn popup blocking off, and a sign-in must work with it.
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.WindowSize(1100, 800),
		chromedp.Flag("headless", true),
		chromedp.Flag("no-sandbox", true),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		// The timers of a page behind a popup must go on, although headless windows count as covered.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
	)
	defer stop()
	ctx, closeBrowser := chromedp.NewContext(allocator)
	defer closeBrowser()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %s does not start: %v\n", path, err)
		return 1
	}
	chromium.ctx = ctx
	return m.Run()
}

// find returns the path of the first of the programs that is installed, or "".
func find(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// unable skips the test. If CI is set, it fails the test, so that no skip goes unnoticed.
func unable(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("CI is set, so this test has to run: " + reason)
	}
	if _, again := told.LoadOrStore(reason, true); !again {
		fmt.Fprintln(os.Stderr, "e2e: tests are skipped: "+reason) // go test prints this only with -v
	}
	t.Skip(reason)
}
