package js

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/dlclark/regexp2/syntax"
)

// matchTimeout ends a match that would backtrack endlessly.
const matchTimeout = time.Second

// A RegExp is a JavaScript regular expression. It is safe for concurrent use.
type RegExp struct{ re *regexp2.Regexp }

// A SyntaxError says that an expression is not valid, in V8's words for the most frequent mistakes.
type SyntaxError string

func (e SyntaxError) Error() string { return string(e) }

// NewRegExp compiles an expression. The flags are "u" or none. The error is a SyntaxError.
func NewRegExp(source, flags string) (*RegExp, error) {
	var options regexp2.RegexOptions = regexp2.ECMAScript
	rest := ""
	if flags == "u" {
		options |= regexp2.Unicode
		rest = source[len(unicodeSyntax.FindString(source)):]
	}
	re, err := regexp2.Compile(source, options)
	problem, bad := "", (*syntax.Error)(nil)
	switch {
	case errors.As(err, &bad):
		problem = cmp.Or(problems[bad.Code], string(bad.Code))
	case strings.HasPrefix(rest, `\`):
		problem = "Invalid escape"
	case rest != "":
		problem = "Lone quantifier brackets"
	case err == nil:
		re.MatchTimeout = matchTimeout
		return &RegExp{re}, nil
	}
	return nil, SyntaxError(fmt.Sprintf("Invalid regular expression: /%s/%s: %s", source, flags, problem))
}

// Test reports whether the expression matches anywhere in s. A match that takes longer than a second counts as none.
func (r *RegExp) Test(s string) bool {
	ok, err := r.re.MatchString(s)
	return ok && err == nil
}

// unicodeSyntax is as much of an expression as the flag u allows. With it, a needless escape and a lone bracket are
// mistakes that regexp2 does not see.
var unicodeSyntax = regexp.MustCompile(`^(?:[^\\[\]{}]|` + classEscape + `|\[(?:[^\\\]]|` + classEscape + `|\\-)*\]|\{\d+(?:,\d*)?\})*`)

const classEscape = `\\[pPu]\{[^}]*\}|\\[\^$.*+?()[\]{}|/bBcdDfknpPrsStuvwWx0-9\\]`

// problems are V8's words for regexp2's errors.
var problems = map[syntax.ErrorCode]string{
	syntax.ErrMissingParen:          "Unterminated group",
	syntax.ErrUnexpectedParen:       "Unmatched ')'",
	syntax.ErrUnterminatedBracket:   "Unterminated character class",
	syntax.ErrMissingRepeatArgument: "Nothing to repeat",
	syntax.ErrInvalidRepeatSize:     "numbers out of order in {} quantifier",
	syntax.ErrReversedCharRange:     "Range out of order in character class",
	syntax.ErrIllegalEndEscape:      `\ at end of pattern`,
	syntax.ErrUnrecognizedEscape:    "Invalid escape",
	syntax.ErrInvalidRepeatOp:       "Nothing to repeat",
	syntax.ErrUnrecognizedGrouping:  "Invalid group",
}
