package origin_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/origin"
)

// Each pair of braces multiplies: "{a,b}" twenty times are a million origins, in 108 bytes.
func TestBracesAreLimited(t *testing.T) {
	for name, patterns := range map[string][]string{
		"twenty pairs":         {"http://" + strings.Repeat("{a,b}", 20)},
		"with a wildcard":      {"http://*." + strings.Repeat("{a,b}", 20)},
		"nested":               {"http://" + strings.Repeat("{a,", 11) + strings.Repeat("{a,b}", 11) + strings.Repeat("}", 11)},
		"many in one":          {"http://{" + strings.Repeat("a,", 1000) + "b}"},
		"empty ones":           {"http://" + strings.Repeat("{,}", 600)},
		"long ones":            {"http://{" + strings.Repeat("a,", 200) + "b}" + strings.Repeat("x", 1500)},
		"a list":               {"http://{a,b}" + strings.Repeat("{a,b}", 8), "http://{c,d}" + strings.Repeat("{a,b}", 8)},
		"a long plain pattern": {"http://" + strings.Repeat("a", 2048)},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := origin.Compile(patterns...)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "expected at most") || len(err.Error()) > 200 {
			t.Errorf("%s: %v, want an error that names the limit", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("%s: took %d bytes", name, used)
		}
		_ = origin.Never(patterns[0]) // returns
	}
	m, err := origin.Compile("https://" + strings.Repeat("{a,b}", 9) + ".example") // 512
	if err != nil || !m.Match("https://abababaab.example") || m.Match("https://abababaac.example") {
		t.Errorf("a pattern below the limit: %v", err)
	}
}

func TestCompileErrorsHoldNoPassword(t *testing.T) {
	for _, pattern := range []string{"https://u:s3cret@[z-a].example", "https://u:s3cret@" + strings.Repeat("{a,b}", 20)} {
		if _, err := origin.Compile("https://a.example", pattern); err == nil || strings.Contains(err.Error(), "s3cret") ||
			!strings.Contains(err.Error(), "pattern 2") {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// never holds patterns that match nothing, and a part of the reason.
var never = map[string]string{
	"https://app.example/some/path": "path", "https://*.example/": "slash", "http://localhost:3000/": "slash",
	"https://user@app.example": "user", "https://u:s3cret@app.example": "user", "https://*@app.example": "user",
	"https://app.example:443": "usual", "http://app.example:80": "usual", "https://*.example:443": "usual",
	"https://bücher.example": "ASCII", "https://*.bücher.example": "ASCII", "https://app。example": "ASCII",
	"http://[::1]": "set", "http://[::1]:3000": "set", "http://[fe80::1]:*": "set",
	"app.example": "scheme", "*": "scheme", "**": "scheme", "": "scheme", "*.example": "scheme", "localhost:3000": "scheme",
	"ftp://app.example": "scheme", "!https://app.example": "scheme", "file://x": "scheme", "https:": "scheme", "//app.example": "scheme",
	"https://app.example#x": "character", "https://a b.example": "character", "https://app.example ": "character",
	"https://%61pp.example": "character", "https://{app.example}": "character",
	"http://app.example:0080": "form", "http://app.example:65536": "form", "http://app.example:": "form", "http://app.example:x": "form",
	"http://127.1:3000": "form", "http://2130706433": "form", "http://0x7f.0.0.1": "form", "http://127.0.0.01": "form",
	`http://\[0:0:0:0:0:0:0:1\]`: "form", "https://xn--preview-.example": "form",
	"{https,http}://app.example/x": "path",
}

// can holds patterns with an origin that each matches.
var can = map[string]string{
	"https://app.example": "https://app.example", "https://App.Example": "https://app.example", "http://localhost:3000": "http://localhost:3000",
	"https://*.example": "https://a.example", "http*://app.example": "http://app.example", "*://app.example:443": "http://app.example:443",
	"https://app.example:80": "https://app.example:80", "http://localhost:*": "http://localhost:3000", `http://\[::1\]:3000`: "http://[::1]:3000",
	"https://app[12].example": "https://app2.example", "https://xn--bcher-kva.example": "https://xn--bcher-kva.example", "null": "null",
	"{https://app.example/x,https://b.example}": "https://b.example", "http://127.0.0.1:3000": "http://127.0.0.1:3000",
	"https://a_b.example": "https://a_b.example", "https:/app.example": "https://app.example", "https://app.example.": "https://app.example.",
}

func TestPatternsThatMatchNothingAreFound(t *testing.T) {
	var origins []string
	for pattern, o := range can {
		origins = append(origins, o)
		m, err := origin.Compile(pattern)
		if reason := origin.Never(pattern); err != nil || reason != "" || !m.Match(o) {
			t.Errorf("%q: %q, %v, matches %s: %v", pattern, reason, err, o, m.Match(o))
		}
	}
	for pattern, want := range never {
		got := origin.Never(pattern)
		if !strings.Contains(got, want) || strings.Contains(got, "s3cret") {
			t.Errorf("%q: %q, want a reason with %q", pattern, got, want)
		}
		m, err := origin.Compile(pattern)
		for _, o := range origins {
			if err == nil && m.Match(o) {
				t.Errorf("%q matches %s, but cannot match anything: %s", pattern, o, got)
			}
		}
	}
}

// Browsers and Go read such hosts differently: none may be redirected to. Names as browsers send them are fine.
func TestHostsThatAreNotASCIIAreRefused(t *testing.T) {
	for _, in := range []string{
		"https://bücher.example/", "https://b%C3%BCcher.example/", "https://é.preview.xn--example-.com/", "https://app。example", "https://app\u00ad.example",
		"https://xn--example-.com", "https://a.xn--preview-.example", "https://xn--.example", "https://XN--zzzzzzzzz-.example", "https://xn--abc.example",
	} {
		if got, err := origin.OfASCII(in); err == nil {
			t.Errorf("OfASCII(%q) = %q, want an error", in, got)
		}
	}
	for _, in := range []string{"https://xn--bcher-kva.example", "https://app.example:8443", "http://[::1]:3000", "http://under_score.example"} {
		if got, err := origin.OfASCII(in + "/x"); err != nil || got != in {
			t.Errorf("OfASCII(%q) = %q, %v", in, got, err)
		}
	}
	if got, err := origin.Of("https://é.preview.xn--example-.com/"); err == nil {
		t.Errorf("a mixed host is %q", got)
	}
}
