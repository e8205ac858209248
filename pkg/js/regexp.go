package js

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/dlclark/regexp2/syntax"
)

// matchTimeout ends a match that would backtrack endlessly.
const matchTimeout = time.Second

// A RegExp is a JavaScript regular expression. It is safe for concurrent use.
type RegExp struct {
	re     *regexp2.Regexp
	sticky bool
}

// A SyntaxError says that an expression is not valid, in V8's words for the most frequent mistakes.
type SyntaxError string

func (e SyntaxError) Error() string { return string(e) }

// NewRegExp compiles an expression with JavaScript's flags. The flag v has the syntax of u here. The error is a SyntaxError.
func NewRegExp(source, flags string) (*RegExp, error) {
	options, ok := readFlags(flags)
	if !ok {
		return nil, SyntaxError(fmt.Sprintf("Invalid flags supplied to RegExp constructor '%s'", flags))
	}
	rest := ""
	if options&regexp2.Unicode != 0 {
		rest = source[len(unicodeSyntax.FindString(source)):]
	}
	re, err := regexp2.Compile(nameGroups(source), options)
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
		return &RegExp{re, strings.Contains(flags, "y")}, nil
	}
	return nil, SyntaxError(fmt.Sprintf("Invalid regular expression: /%s/%s: %s", source, flags, problem))
}

// groups are what matters to the numbers of groups: an escape, a class, or the beginning of a group.
var groups = regexp.MustCompile(`(?s)\\.|\[(?:\\.|[^\]\\])*\]|\((?:\?(?:<[^=!]|.))?`)

// nameGroups gives every group a name if one has a name: regexp2 would number those without a name first, and JavaScript
// numbers all of them from left to right.
func nameGroups(source string) string {
	isNamed := func(found string) bool { return len(found) > len("(?<") && strings.HasPrefix(found, "(?<") }
	if !slices.ContainsFunc(groups.FindAllString(source, -1), isNamed) {
		return source
	}
	unnamed := 0
	return groups.ReplaceAllStringFunc(source, func(found string) string {
		if found != "(" {
			return found
		}
		unnamed++
		return fmt.Sprintf("(?<__%d>", unnamed)
	})
}

// readFlags returns regexp2's options for flags, and whether those are valid: known, and none twice.
func readFlags(flags string) (options regexp2.RegexOptions, ok bool) {
	options = regexp2.ECMAScript
	for i, flag := range flags {
		if strings.ContainsRune(flags[:i], flag) {
			return 0, false
		}
		switch flag {
		case 'i':
			options |= regexp2.IgnoreCase
		case 'm':
			options |= regexp2.Multiline
		case 's':
			options |= regexp2.Singleline
		case 'u', 'v':
			if options&regexp2.Unicode != 0 {
				return 0, false
			}
			options |= regexp2.Unicode
		case 'd', 'g', 'y': // of no effect on what matches, but for y
		default:
			return 0, false
		}
	}
	return options, true
}

// Within sets another time than a second for a match. It must be called before the first Test.
func (r *RegExp) Within(limit time.Duration) { r.re.MatchTimeout = limit }

// Test reports whether the expression matches anywhere in s, or with the flag y at its beginning. It has no lastIndex:
// each test begins anew. A match that takes longer than a second counts as none.
func (r *RegExp) Test(s string) bool {
	if r.sticky {
		match, err := r.re.FindStringMatch(s) // the leftmost one
		return err == nil && match != nil && match.Index == 0
	}
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

// Replace replaces the first match in s, as JavaScript's replace does for an expression without the flag g. It reports
// whether there was a match. A match that takes longer than a second is an error.
func (r *RegExp) Replace(s, replacement string) (result string, matched bool, err error) {
	m, err := r.re.FindStringMatch(s)
	if m == nil || err != nil {
		return s, false, err
	}
	runes := []rune(s)
	before, after := string(runes[:m.Index]), string(runes[m.Index+m.Length:])
	named := slices.ContainsFunc(r.re.GetGroupNames(), func(name string) bool { return strings.Trim(name, "0123456789") != "" })
	return before + expand(replacement, m, named, before, after) + after, true, nil
}

// expand replaces $$, $&, $`, $', $1 to $99 and $<name> in a replacement. Anything else stays as it is.
func expand(replacement string, m *regexp2.Match, named bool, before, after string) string {
	var b strings.Builder
	for {
		text, rest, found := strings.Cut(replacement, "$")
		b.WriteString(text)
		if !found {
			return b.String()
		}
		value, size := "$", 0
		switch {
		case rest == "":
		case rest[0] == '$':
			size = 1
		case rest[0] == '&':
			value, size = m.String(), 1
		case rest[0] == '`':
			value, size = before, 1
		case rest[0] == '\'':
			value, size = after, 1
		case rest[0] == '<':
			if name, _, ok := strings.Cut(rest[1:], ">"); ok && named {
				value, size = "", len(name)+2
				if group := m.GroupByName(name); group != nil {
					value = group.String()
				}
			}
		default:
			for _, digits := range []int{2, 1} { // $12 is the twelfth group if there is one, otherwise the first and a 2
				n, err := strconv.ParseUint(rest[:min(digits, len(rest))], 10, 8)
				if group := m.GroupByNumber(int(n)); err == nil && n > 0 && group != nil {
					value, size = group.String(), min(digits, len(rest))
					break
				}
			}
		}
		b.WriteString(value)
		replacement = rest[size:]
	}
}
