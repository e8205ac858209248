package schema

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dlclark/regexp2"
	"github.com/dlclark/regexp2/syntax"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// toString converts a value as JavaScript's String does.
func toString(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case float64:
		return js.FormatNumber(v)
	case string:
		return v
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			if item != nil {
				items[i] = toString(item)
			}
		}
		return strings.Join(items, ",")
	}
	return "[object Object]"
}

// toNumber reads a boolean, null or a text that is not empty as a number, as JavaScript does.
func toNumber(value any) (float64, bool) {
	switch v := value.(type) {
	case nil:
		return 0, true
	case bool:
		return map[bool]float64{true: 1}[v], true
	case string:
		if text := strings.TrimSpace(v); strings.HasSuffix(text, "Infinity") {
			number, err := strconv.ParseFloat(text, 64)
			return number, err == nil
		}
		number, ok := js.ParseNumber(v)
		return number, v != "" && (ok || math.IsInf(number, 0))
	}
	return 0, false
}

// text returns the text that object has under key.
func text(object *value.Object, key string) (string, bool) {
	v, _ := object.Get(key)
	s, ok := v.(string)
	return s, ok
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer escapes a key for a JSON pointer.
func escapePointer(key string) string { return pointerEscapes.Replace(key) }

var brackets = regexp.MustCompile("\\['?([^\\n\\r\u2028\u2029]*?)'?\\]")

// normalizePath is Backstage's normalizeAjvPath. A key with a tilde is not found under the path it makes, and
// one with brackets is taken for a path of its own; both are so in Backstage.
func normalizePath(path string) string {
	return brackets.ReplaceAllString(strings.ReplaceAll(path, "~1", "/"), "/$1")
}

// matches tells whether an expression matches anywhere in text.
func matches(p *regexp2.Regexp, text string) bool {
	ok, err := p.MatchString(text)
	return ok && err == nil
}

// unicodeSyntax is as much of an expression as the flag u allows: with it, a needless escape and a lone bracket
// are mistakes, which regexp2 does not see.
var unicodeSyntax = regexp.MustCompile(`^(?:[^\\[\]{}]|` + classEscape + `|\[(?:[^\\\]]|` + classEscape + `|\\-)*\]|\{\d+(?:,\d*)?\})*`)

const classEscape = `\\[pPu]\{[^}]*\}|\\[\^$.*+?()[\]{}|/bBcdDfknpPrsStuvwWx0-9\\]`

// newPattern compiles a JavaScript regular expression with the flag u; its errors read as V8's for the most frequent mistakes.
func newPattern(source string) (*regexp2.Regexp, error) {
	problem := ""
	re, err := regexp2.Compile(source, regexp2.ECMAScript|regexp2.Unicode)
	if bad := (*syntax.Error)(nil); errors.As(err, &bad) {
		problem = cmp.Or(patternProblems[bad.Code], string(bad.Code))
	} else if rest := source[len(unicodeSyntax.FindString(source)):]; strings.HasPrefix(rest, `\`) {
		problem = "Invalid escape"
	} else if rest != "" {
		problem = "Lone quantifier brackets"
	}
	if problem != "" {
		return nil, fmt.Errorf("%s/%s/u: %s", badPattern, source, problem)
	}
	return re, nil
}

// patternProblems are V8's words for mistakes.
var patternProblems = map[syntax.ErrorCode]string{
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

// badPattern is how the errors of newPattern start.
const badPattern = "Invalid regular expression: "

// list returns a list as it is, and any other value but nil as a list of one.
func list(value any) []any {
	items, ok := value.([]any)
	if !ok && value != nil {
		return []any{value}
	}
	return items
}

// contains tells whether a value is in a list.
func contains(list []any, v any) bool {
	return slices.ContainsFunc(list, func(item any) bool { return value.Equal(item, v) })
}

// entries goes through an object, in the order of its keys.
func entries(object *value.Object) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, key := range object.Keys() {
			if v, _ := object.Get(key); !yield(key, v) {
				return
			}
		}
	}
}

// inner returns the object that there is under key; nil, which has no keys, if there is none.
func inner(object *value.Object, key string) *value.Object {
	v, _ := object.Get(key)
	found, _ := v.(*value.Object)
	return found
}

// newObject returns an object of keys and their values.
func newObject(pairs ...any) *value.Object {
	object := &value.Object{}
	for pair := range slices.Chunk(pairs, 2) {
		object.Set(pair[0].(string), pair[1])
	}
	return object
}

// clone returns a deep copy of a value.
func clone(v any) any {
	switch v := v.(type) {
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = clone(item)
		}
		return items
	case *value.Object:
		object := &value.Object{}
		for key, item := range entries(v) {
			object.Set(key, clone(item))
		}
		return object
	}
	return v
}
