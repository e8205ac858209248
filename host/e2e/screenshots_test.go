//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// maxImage is the largest size of a picture, in bytes: they are in the repository.
const maxImage = 200_000

// TestScreenshots takes new pictures for docs/images if UPDATE_SCREENSHOTS is 1. It needs the ports of `make run`,
// which are in the pictures.
func TestScreenshots(t *testing.T) {
	if os.Getenv("UPDATE_SCREENSHOTS") != "1" {
		t.Skip("UPDATE_SCREENSHOTS is not 1")
	}
	s := makeRun(t, nil)
	browser := newProfile(t)
	page := browser.open(s.demo)
	page.wait(signedOut)
	page.picture("demo-signed-out", 1000, 580)

	page.click("#sign-in")
	popup := page.popup()
	popup.wait("document.querySelector('#allow')")
	popup.picture("consent", 500, 680)
	popup.click("#allow")
	page.wait(listed + " && document.querySelector('#user-avatar img')?.complete")
	get[any](page, "document.activeElement.blur()")
	page.picture("demo", 1000, 790)
	page.prefer("dark")
	page.picture("demo-dark", 1000, 790)

	// The legacy callback in a tab of its own, where no app waits for it.
	client := get[string](page, "document.body.dataset.clientId")
	callback := s.backend + "/api/auth/coder/oauth/callback"
	for name, button := range map[string]string{"success": "#allow", "failure": "#cancel"} {
		alone := browser.open(s.backend + "/api/auth/coder/oauth2/authorize?response_type=code&client_id=" + client + "&redirect_uri=" + callback)
		alone.click(button)
		alone.wait("document.querySelector('#text')?.textContent && location.href.startsWith('" + callback + "')")
		alone.picture(name, 600, 240)
	}
}

// prefer sets the user's preferred color scheme.
func (tb *tab) prefer(scheme string) {
	tb.t.Helper()
	_, err := chromedp.Call(tb.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		tb.t.Fatal(err)
	}
}

// picture writes what the page shows to docs/images, at the highest scale that maxImage allows.
func (tb *tab) picture(name string, width, height int64) {
	tb.t.Helper()
	for _, scale := range []float64{2, 1.5, 1} {
		tb.do(chromedp.EmulateViewport(width, height, chromedp.EmulateScale(scale)))
		image, err := chromedp.Run(tb.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			tb.t.Fatal(err)
		}
		if len(image) <= maxImage {
			write(tb.t, filepath.Join("../../docs/images", name+".png"), string(image))
			return
		}
	}
	tb.t.Errorf("%s is larger than %d bytes", name, maxImage)
}
