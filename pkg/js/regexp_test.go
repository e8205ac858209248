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
