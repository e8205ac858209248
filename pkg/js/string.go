package js

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// space is the white space of JavaScript's trim. A byte order mark is part of it, U+0085 is not.
const space = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

// Trim is JavaScript's trim.
func Trim(s string) string { return strings.Trim(s, space) }

// TrimRight is JavaScript's trimEnd.
func TrimRight(s string) string { return strings.TrimRight(s, space) }

// String converts a value of JSON as JavaScript's String does.
func String(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return FormatNumber(v)
	case string:
		return v
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			if item != nil {
				items[i] = String(item)
			}
		}
		return strings.Join(items, ",")
	}
	return "[object Object]"
}

// DecodeUTF8 decodes text as Node does: each maximal part of an invalid or incomplete character becomes one U+FFFD.
func DecodeUTF8(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			for size < min(3, len(text)) && !utf8.FullRune(text[:size+1]) {
				size++ // an incomplete character may still be valid
			}
		}
		b.WriteRune(r)
		text = text[size:]
	}
	return b.String()
}
