//go:build e2e

package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
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
	}
	tb.do(chromedp.EmulateViewport(360, 740))
	if wide := get[int](tb, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		tb.t.Errorf("%s: %d pixels wider than a phone", name, wide)
	}
	tb.do(chromedp.EmulateViewport(1100, 800))
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
