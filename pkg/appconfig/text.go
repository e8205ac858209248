package appconfig

import (
	"strings"
	"unicode/utf8"
)

// validKey tells whether every part of a dotted key is /^[a-z][a-z0-9]*(?:[-_:][a-z0-9]+)*$/i; "" is valid.
func validKey(key string) bool {
	if key == "" {
		return true
	}
	start := true  // at the first character of a part, which must be a letter
	after := false // behind a separator, where a letter or digit must follow
	for i := range len(key) {
		ch := key[i]
		letter := ch|0x20 >= 'a' && ch|0x20 <= 'z'
		switch {
		case letter, !start && ch >= '0' && ch <= '9':
			start, after = false, false
		case start, after:
			return false
		case ch == '-', ch == '_', ch == ':':
			after = true
		case ch == '.':
			start = true
		default:
			return false
		}
	}
	return !start && !after
}

// isSpace tells whether r is white space to JavaScript's trim: a byte order mark is, U+0085 is not.
func isSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff:
		return true
	}
	return r >= 0x2000 && r <= 0x200a
}

func trim(text string) string      { return strings.TrimFunc(text, isSpace) }
func trimRight(text string) string { return strings.TrimRightFunc(text, isSpace) }

// lowerASCII lowers A to Z alone, as a JavaScript regular expression with the flag i compares.
func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// validUTF8 decodes a text as Node does: each longest part of a character that is cut off or wrong becomes one
// U+FFFD.
func validUTF8(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			size = brokenSize(text)
		}
		b.WriteRune(r)
		text = text[size:]
	}
	return b.String()
}

// brokenSize returns how many bytes the beginning of a broken character takes.
func brokenSize(text []byte) int {
	for size := min(3, len(text)); size > 1; size-- {
		// A beginning is one that some bytes make whole.
		for _, end := range []string{"\x80", "\x80\x80", "\xbf", "\xbf\xbf"} {
			whole := append(append([]byte{}, text[:size]...), end...)
			if r, n := utf8.DecodeRune(whole); r != utf8.RuneError && n == len(whole) {
				return size
			}
		}
	}
	return 1
}
