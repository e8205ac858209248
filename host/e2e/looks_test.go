//go:build e2e

package e2e

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"
)

// contrast lists the texts of a page whose contrast to their background is below 4.5 (WCAG 2.2, 1.4.3).
const contrast = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = color => {
    const [r, g, b] = color.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = e => {
    if (!e) return rgba('Canvas');
    const color = rgba(getComputedStyle(e).backgroundColor);
    return color[3] === 255 ? color : behind(e.parentElement);
  };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.disabled) continue;
    const [a, b] = [rgba(getComputedStyle(e).color), behind(e)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(e.tagName + ' ' + e.textContent.trim() + ' ' + ratio.toFixed(2));
  }
  return poor.join('; ');
})()`

// readable checks that a page can be read in light and dark, and on a phone without scrolling sideways.
func (tb *tab) readable(name string) {
	tb.t.Helper()
	for _, scheme := range []string{"dark", "light"} {
		tb.prefer(scheme)
		if poor := get[string](tb, contrast); poor != "" {
			tb.t.Errorf("%s, %s: hard to read: %s", name, scheme, poor)
		}
		tb.shot(name + ", " + scheme)
	}
	tb.do(chromedp.EmulateViewport(360, 740))
	if wide := get[int](tb, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		tb.t.Errorf("%s: %d pixels wider than a phone", name, wide)
	}
	tb.shot(name + ", phone")
	tb.do(chromedp.EmulateViewport(1100, 800))
}

// shot takes a picture, and keeps it in the folder that E2E_SCREENSHOTS names.
func (tb *tab) shot(name string) {
	tb.t.Helper()
	image, err := chromedp.Run(tb.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		tb.t.Fatal(err)
	}
	if folder := os.Getenv("E2E_SCREENSHOTS"); folder != "" {
		write(tb.t, filepath.Join(folder, strings.ReplaceAll(name, ", ", "-")+".png"), string(image))
	}
}

// reachable checks that the keyboard reaches all that can be used, and shows where it is; and that what is said is told
// to screen readers.
func (tb *tab) reachable(name string, want ...string) {
	tb.t.Helper()
	var got []string
	for range want {
		tb.do(chromedp.KeyEvent(kb.Tab))
		got = append(got, get[string](tb, "document.activeElement.textContent.trim()"))
		if outline := get[string](tb, "getComputedStyle(document.activeElement).outlineStyle"); outline == "none" {
			tb.t.Errorf("%s: nothing shows that %s has the focus", name, got[len(got)-1])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tb.t.Errorf("%s: the keyboard reaches (-want +got):\n%s", name, diff)
	}
	if !tb.is("document.documentElement.lang === 'en' && document.title && document.querySelector('main [role=status]').textContent") {
		tb.t.Errorf("%s: no language, title or status for a screen reader", name)
	}
}

// TestPagesOfASignInSayWhatToDo opens the pages that a person may see at the ends of a sign-in.
func TestPagesOfASignInSayWhatToDo(t *testing.T) {
	t.Parallel()
	s := makeRun(t, freePorts)
	browser := newProfile(t)
	routes := s.backend + "/api/auth/coder"
	state := hex.EncodeToString([]byte("nonce=x&env=development&flow=redirect&redirectUrl=https://evil.example/"))
	page := browser.open(routes + "/handler/frame?code=x&state=" + state)
	page.wait("document.querySelector('h1').textContent === 'Sign-in failed' && document.querySelector('small').textContent.includes('nonce')")
	page.readable("lost cookies")
	page.reachable("lost cookies", "Start again", "Back to Understudy")
	page.click(".main") // the sign-in begins again
	page.wait("document.querySelector('#allow')")
	page.click("#allow")
	page.wait("location.origin === '" + s.demo + "' || location.href.startsWith('" + s.demo + "')")
	for name, path := range map[string]string{
		"start without env": "/start", "foreign origin": "/start?env=development&origin=https://evil.example", "no code": "/oauth/callback",
	} {
		page := browser.open(routes + path)
		page.readable(name)
		page.wait("document.querySelector('h1') && document.querySelector('#back').textContent === 'Back to Understudy'")
	}
	// A sign-in in a tab of its own, where no app waits for it, and the same page again.
	alone := browser.open(routes + "/start?env=development")
	alone.click("#allow")
	alone.wait("document.querySelector('#text')?.textContent.includes('not open any more')")
	alone.readable("nobody heard")
	alone.reachable("nobody heard", "Back to Understudy")
	get[any](alone, "location.reload()")
	alone.wait("document.querySelector('#text')?.textContent.includes('You are signed in')")
}

func TestPagesAreReadable(t *testing.T) {
	t.Parallel()
	s := makeRun(t, freePorts)
	browser := newProfile(t)
	page := browser.open(s.demo)
	page.wait(signedOut)
	page.readable("signed out")
	page.click("#sign-in-legacy")
	popup := page.popup()
	popup.wait("document.querySelector('#allow')")
	popup.readable("consent")
	popup.click("#cancel")
	page.wait(signedOut + " && !document.querySelector('#error').hidden")
	page.readable("cancelled")
	page.click("#sign-in")
	page.popup().click("#allow")
	page.wait(listed)
	page.readable("signed in")

	client := get[string](page, "document.body.dataset.clientId")
	bridge := s.backend + "/api/auth/coder/oauth2/authorize?response_type=code&client_id=" + client
	for name, url := range map[string]string{
		"stand-in": s.coder, "error": s.coder + "/oauth2/authorize", "refused": bridge + "&redirect_uri=x",
		"callback": s.backend + "/api/auth/coder/oauth/callback?code=x&state=y",
	} {
		browser.open(url).readable(name)
	}
	alone := browser.open(bridge + "&redirect_uri=" + s.backend + "/api/auth/coder/oauth/callback")
	alone.click("#allow")
	alone.wait("location.origin === '" + s.backend + "' && document.querySelector('#text')")
	alone.readable("success")
}
