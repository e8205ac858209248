package js_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/js"
)

func TestRegExp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		source, flags, s string
		want             bool
	}{
		{"^/api", "", "/api/a", true},
		{"^/api", "", "a/api", false},
		{"b(?=c)", "", "abc", true},
		{`(a)\1`, "", "aa", true},
		{`\d`, "", "٣", false}, // ASCII digits only
		{`^.$`, "u", "😀", true},
		{`a\-b`, "", "a-b", true},
		{"ABC", "i", "xabcx", true},
		{"^b$", "", "a\nb", false},
		{"^b$", "m", "a\nb", true},
		{"a.b", "", "a\nb", false},
		{"a.b", "gs", "a\nb", true},
		{"b", "y", "ab", false},
		{"a|b", "y", "ba", true},
		{"^.$", "v", "😀", true},
		{"É", "iu", "é", true},
	}
	for _, test := range tests {
		re, err := js.NewRegExp(test.source, test.flags)
		if err != nil {
			t.Fatal(err)
		}
		if got := re.Test(test.s); got != test.want {
			t.Errorf("/%s/%s.test(%q) = %v, want %v", test.source, test.flags, test.s, got, test.want)
		}
	}
}

func TestRegExpSyntaxErrors(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"a)":     "/a)/u: Unmatched ')'",
		"(a":     "/(a/u: Unterminated group",
		"*":      "/*/u: Nothing to repeat",
		"[b-a]":  "/[b-a]/u: Range out of order in character class",
		`a\-b`:   `/a\-b/u: Invalid escape`,
		"a{":     "/a{/u: Lone quantifier brackets",
		"a{2,1}": "/a{2,1}/u: numbers out of order in {} quantifier",
	} {
		_, err := js.NewRegExp(source, "u")
		if !errors.As(err, new(js.SyntaxError)) || err.Error() != "Invalid regular expression: "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestRegExpFlags(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"x", "gg", "uv", "uu", "I", "g "} {
		if _, err := js.NewRegExp("a", flags); !errors.As(err, new(js.SyntaxError)) || err.Error() != "Invalid flags supplied to RegExp constructor '"+flags+"'" {
			t.Errorf("flags %q: %v", flags, err)
		}
	}
	re, err := js.NewRegExp("a", "dgimsuy")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if !re.Test("ab") {
			t.Error("a test begins where the one before ended")
		}
	}
}

func TestRegExpEndsInTime(t *testing.T) {
	t.Parallel()
	re, err := js.NewRegExp("^(a+)+$", "")
	if err != nil {
		t.Fatal(err)
	}
	if re.Test(strings.Repeat("a", 60) + "b") {
		t.Error("matched")
	}
}

// The results are Node's.
func TestReplaceIsThatOfJavaScript(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ source, s, replacement, want string }{
		{`^/api/proxy/x/?`, "/api/proxy/x/y", "/", "/y"},
		{`^/old/(.*)$`, "/old/a?b=c", "/new/$1", "/new/a?b=c"},
		{`(a)(b)?`, "xaby", "[$1|$2|$3|$0|$12|$&|$$|$`|$']", "x[a|b|$3|$0|a2|ab|$|x|y]y"},
		{`(a)(b)?`, "xay", "[$1|$2]", "x[a|]y"},
		{`(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)`, "abcdefghij", "$10-$1-$11-$01-$00-$100", "j-a-a1-a-$00-j0"},
		{`(?<n>a)`, "banana", "<$<n>$<m>$<", "b<a$<nana"},
		{`(?<n>a)(.)(?<m>.)(.)`, "abcd", "$1$2$3$4$<m>", "abcdc"},
		{`(a)(?<n>.)\1\2`, "abab", "$2$1", "ba"},
		{`[(](?<n>.)(?:.)(?=.)(?<=.)\((.)`, "(ab(c", "$1$2", "ac"},
		{`a`, "a", "$<n>", "$<n>"},
		{`a`, "banana", "$", "b$nana"},
		{`a`, "banana", "$$1", "b$1nana"},
		{`é`, "aéb", "$`|$'", "aa|bb"},
		{`a(?=b)`, "aab", "x", "axb"},
		{``, "abc", "-", "-abc"},
		{`z`, "banana", "x", "banana"},
	} {
		re, err := js.NewRegExp(test.source, "")
		if err != nil {
			t.Fatal(err)
		}
		got, matched, err := re.Replace(test.s, test.replacement)
		if got != test.want || matched != (test.source != "z") || err != nil {
			t.Errorf("%q.replace(/%s/, %q) = %q, %t, %v, want %q", test.s, test.source, test.replacement, got, matched, err, test.want)
		}
	}
}

func TestReplaceEndsInTime(t *testing.T) {
	t.Parallel()
	re, err := js.NewRegExp("^(a+)+$", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, matched, err := re.Replace(strings.Repeat("a", 60)+"b", ""); matched || err == nil {
		t.Errorf("matched %t, error %v", matched, err)
	}
}
