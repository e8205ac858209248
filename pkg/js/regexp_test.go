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
