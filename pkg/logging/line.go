package logging

import (
	"bytes"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits on what is written for an entry, however long its message and its fields are.
const (
	maxText = 8 << 10  // bytes of one text in an entry that is too long as a whole
	maxLine = 32 << 10 // bytes of an entry
)

// Printable returns text with its control characters escaped, those that turn the direction of writing among them: in a
// terminal they could hide or forge something. Line breaks and tabs stay. The escapes are those of Go and YAML, or of JSON.
func Printable(line []byte, asJSON bool) []byte {
	begin := firstHidden(line)
	if begin == len(line) {
		return line // the usual case
	}
	out := append(make([]byte, 0, len(line)+64), line[:begin]...)
	for line = line[begin:]; len(line) > 0; {
		c, size := utf8.DecodeRune(line)
		switch {
		case c == utf8.RuneError && size == 1 && !asJSON:
			out = fmt.Appendf(out, `\x%02x`, line[0])
		case c > 0xffff && hidden(c) && asJSON:
			high, low := utf16.EncodeRune(c)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		case c > 0xffff && hidden(c):
			out = fmt.Appendf(out, `\U%08x`, c)
		case hidden(c):
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = utf8.AppendRune(out, c)
		}
		line = line[size:]
	}
	return out
}

// firstHidden returns the place of the first character that Printable changes, or the length of the line.
func firstHidden[T string | []byte](line T) int {
	for i := 0; i < len(line); {
		if c := line[i]; c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		c, size := utf8.DecodeRuneInString(string(line[i:min(i+utf8.UTFMax, len(line))]))
		if hidden(c) || c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(line)
}

// hidden reports whether a character is not to reach a terminal as it is.
func hidden(c rune) bool {
	switch {
	case c >= ' ' && c < 0x7f, c == '\n', c == '\t':
		return false
	case c < 0xa0:
		return true
	}
	return c >= 0xad && unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp)
}

// cut stands for what is left out of an entry that is too long.
const cut = "… (cut)"

// shorten returns a JSON entry that is too long with less in it: each text is cut, and if that is not enough, what comes
// after the limit is left out. It stays JSON.
func shorten(line []byte) []byte {
	out := make([]byte, 0, maxLine+256)
	var open, kept []byte // the closing brackets at this place, and at the last one where the entry may end
	end := 0
	for i := 0; i < len(line) && len(out)+len(open) <= maxLine; i++ {
		switch c := line[i]; c {
		case '"':
			text := line[i : i+textLength(line[i:])]
			i += len(text) - 1
			if len(text) > maxText {
				text = append(validPrefix(text, maxText), cut+`"`...)
			}
			out = append(out, text...)
			continue
		case '{', '[':
			open = append(open, c+2) // the bracket that closes it
		case '}', ']':
			open = open[:max(0, len(open)-1)]
		case ',':
			end, kept = len(out), append(kept[:0], open...)
		}
		out = append(out, line[i])
	}
	if len(out)+len(open) <= maxLine {
		return out
	}
	out = out[:end]
	for _, bracket := range slices.Backward(kept) {
		out = append(out, bracket)
	}
	return append(out, '\n')
}

// textLength returns the length of the JSON string that line begins with, its quotes included.
func textLength[T string | []byte](line T) int {
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(line)
}

// validPrefix returns a copy of at most n bytes of text, without half a character or half an escape at its end.
func validPrefix(text []byte, n int) []byte {
	text = text[:min(n, len(text))]
	if i := bytes.LastIndexByte(text[max(0, len(text)-6):], '\\'); i >= 0 {
		text = text[:max(0, len(text)-6)+i]
		if len(text)-len(bytes.TrimRight(text, `\`))&1 == 1 {
			text = text[:len(text)-1] // it was the second of two
		}
	}
	for len(text) > 0 && !utf8.Valid(text[max(0, len(text)-utf8.UTFMax):]) && !utf8.RuneStart(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	if r, size := utf8.DecodeLastRune(text); r == utf8.RuneError && size == 1 {
		text = text[:len(text)-1]
	}
	return bytes.Clone(text)
}
