package origin_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/origin"
)

// The file was recorded from npm's minimatch with the options that Backstage gives it.
func TestMatchesAsMinimatchDoes(t *testing.T) {
	text, err := os.ReadFile("testdata/minimatch.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Origins  []string
		Patterns []struct {
			Pattern string
			Allowed []string
		}
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	// The differences that the comments of Compile and Match name.
	differs := map[string]bool{"*": true, "**": true, "http://localhost:3000/": true, "https://*.example.net/": true, "https://app{1..3}.example.net": true}
	for _, c := range recorded.Patterns {
		if differs[c.Pattern] {
			continue
		}
		t.Run(c.Pattern, func(t *testing.T) {
			m, err := origin.Compile(c.Pattern)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, o := range recorded.Origins {
				if m.Match(o) {
					got = append(got, o)
				}
			}
			if diff := cmp.Diff(c.Allowed, got); diff != "" {
				t.Errorf("allowed origins (-minimatch +got):\n%s", diff)
			}
		})
	}
}

func TestMatchOneOfSeveral(t *testing.T) {
	m, err := origin.Compile("http://localhost:3000", "https://*.example.net")
	if err != nil {
		t.Fatal(err)
	}
	for o, want := range map[string]bool{"http://localhost:3000": true, "https://a.example.net": true, "https://example.com": false} {
		if m.Match(o) != want {
			t.Errorf("Match(%q) = %v, want %v", o, !want, want)
		}
	}
	if (origin.Matcher{}).Match("http://localhost:3000") {
		t.Error("the zero matcher allows an origin")
	}
}

// Any page can have the origin "null", and so has a redirect to javascript:.
func TestWildcardsDoNotAllowNull(t *testing.T) {
	m, err := origin.Compile("*", "**", "n*", "?ull", "[n]ull")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []string{"null", "NULL", "null/"} {
		if m.Match(o) {
			t.Errorf("a wildcard allows %q", o)
		}
	}
	if m, _ = origin.Compile("https://*.example.net", "null"); !m.Match("null") {
		t.Error("null is not allowed by its name")
	}
}

func TestErrorsHoldNoPassword(t *testing.T) {
	for _, in := range []string{"ftp://u:s3cret@host", "http://u:s3cret@ho st", "http://u:s3cret%ZZ@host", "http://u:s3cret/@host", "u:s3cret@host"} {
		if _, err := origin.Of(in); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error for %q: %v", in, err)
		}
	}
}

// Punycode of thousands of different letters takes long: the error is that of the length, which is looked at first.
func TestLongHostsAreRefusedBeforeTheyAreConverted(t *testing.T) {
	var letters strings.Builder
	for c := rune(0x4e00); letters.Len() < 60_000; c++ {
		letters.WriteRune(c)
	}
	label := strings.Repeat("a", 63) + "."
	for host, ok := range map[string]bool{
		letters.String(): false, letters.String() + ".example.com": false, strings.Repeat("a.", 5000) + "com": false,
		label + label + label + strings.Repeat("a", 61): true, label + label + label + strings.Repeat("a", 62): false,
	} {
		_, err := origin.Of("https://" + host + ":8443/path")
		if ok && err != nil || !ok && (err == nil || err.Error() != "the value is a URL with a host of more than 253 bytes") {
			t.Errorf("a host of %d bytes: %v", len(host), err)
		}
	}
}

func TestOf(t *testing.T) {
	for in, want := range map[string]string{
		"https://App.Example.com/base/": "https://app.example.com", "http://localhost:3000": "http://localhost:3000",
		"https://a.example:443/x": "https://a.example", "http://a.example:80": "http://a.example", "http://[::1]:3000/": "http://[::1]:3000",
		"http://a.example:0080": "http://a.example", "http://a.example:08080": "http://a.example:8080", "http://a.example:0": "http://a.example:0",
		"https://user:pw@a.example": "https://a.example", "https://Bücher.example/x": "https://xn--bcher-kva.example",
		"https://app\u3002example": "https://app.example", "http://under_score.example": "http://under_score.example",
	} {
		if got, err := origin.Of(in); err != nil || got != want {
			t.Errorf("Of(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "localhost:3000", "//a.example", "javascript:alert(1)", "http://", "ftp://a.example", "http://a b", "http://a.example:65536", "https://evil.example\uff0f.a.example"} {
		if got, err := origin.Of(in); err == nil {
			t.Errorf("Of(%q) = %q, want an error", in, got)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, p := range []string{"https://*.example.net", "{a,{b,c}}", "[!a]", "[", "\\", "{,}", "[]]"} {
		f.Add(p, "https://a.example.net")
	}
	f.Fuzz(func(_ *testing.T, pattern, o string) {
		if len(pattern) > 200 {
			return
		}
		if m, err := origin.Compile(pattern); err == nil {
			m.Match(o)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, pattern := range []string{"https://app.example.net", "https://*.example.net"} {
		m, err := origin.Compile(pattern)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(pattern, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Match("https://app.example.net")
			}
		})
	}
}
