package logging

import (
	"slices"
	"strings"
)

// The words in a parameter's name that keep its value out of a log: anywhere in it, at the end of a word in it, or alone
// between characters that are not letters.
var (
	anywhere = strings.Fields("code state token secret passw passphrase pwd nonce session verifier assertion authoriz apikey signature " +
		"credential bearer refresh ticket jwt saml csrf xsrf wresult")
	atEnds = strings.Fields("key sig auth otp pass")
	alone  = strings.Fields("pat pin sid")

	// pathWords are the segments of a path after which a secret may come.
	pathWords = strings.Fields("code token access_token refresh_token otp jwt ticket secret password reset-password")
)

// URL returns uri, a request's path and query or a whole URL, without what may be secret: the values of parameters such
// as code, state and token ("…?code=***&env=development"), also within another value, in a path or encoded again, and
// users and passwords. Everything else stays as it is, to the byte.
func URL(uri string) string {
	var out []byte
	kept := 0 // where what is not in out yet begins
	strike := func(begin, end int) int {
		out, kept = append(append(out, uri[kept:begin]...), mark...), end
		return end
	}
	// begin is where the name begins that may be before this place. slashes counts the characters of "://", whose colon
	// may be missing at the beginning of a URL.
	begin, slashes, inQuery := 0, 1, false
	for i := 0; i < len(uri); {
		if isLetter(uri[i]) { // the usual case
			slashes, i = 0, i+1
			continue
		}
		c, size := decoded(uri[i:])
		name, after := uri[begin:i], i+size
		i = after
		if c == '/' && slashes > 0 {
			slashes++
		} else {
			slashes = 0
		}
		switch {
		case c == ':' || c == '=':
			slashes = 1
		case c == '?' && size == 1:
			inQuery = true
		case c == '#' && size == 1 && after < len(uri):
			i = strike(after, len(uri)) // the implicit grant puts tokens there
		}
		if slashes == 3 {
			if n := userLength(uri[after:]); n > 0 {
				i = strike(after, after+n)
			}
		}
		end := after + valueLength(uri[after:], inQuery)
		switch {
		case strings.IndexByte("/?&#;=", c) < 0:
			continue
		case c == '=' && isSensitive(name), c == '/' && after < end && isPathWord(name):
			i = strike(after, end)
		}
		begin = i
	}
	if kept == 0 {
		return uri
	}
	return string(append(out, uri[kept:]...))
}

// valueLength returns the length of the value that text begins with. Whatever is encoded is a part of it.
func valueLength(text string, inQuery bool) int {
	ends := "?#"
	if inQuery {
		ends = "&#"
	}
	if end := strings.IndexAny(text, ends); end >= 0 {
		return end
	}
	return len(text)
}

// userLength returns the length of the user and the password at the beginning of what comes after "//".
func userLength(text string) (user int) {
	colon := 0
	for i := 0; i <= len(text); {
		c, size := byte('/'), 1
		if i < len(text) {
			c, size = decoded(text[i:])
		}
		switch c {
		case '@':
			user, colon = i, 0
		case ':':
			colon = i + size
		case ']': // of an IPv6 address
			colon = 0
		case '/', '?', '&', '#', '"', ' ':
			if colon > 0 && strings.Trim(text[colon:i], "0123456789") != "" {
				return len(text) // not a port but a password with such a character in it
			}
			return user
		}
		i += size
	}
	return user
}

// isSensitive reports whether a parameter of this name, which may be encoded, has a value that is not to be logged.
func isSensitive(name string) bool {
	name = strings.ToLower(unescape(name))
	return slices.ContainsFunc(anywhere, func(word string) bool { return strings.Contains(name, word) }) ||
		slices.ContainsFunc(atEnds, func(word string) bool { return hasWord(name, word, false) }) ||
		slices.ContainsFunc(alone, func(word string) bool { return hasWord(name, word, true) })
}

// hasWord reports whether a word of name ends with word, or with whole is it.
func hasWord(name, word string, whole bool) bool {
	for from := 0; ; {
		i := strings.Index(name[from:], word)
		if i < 0 {
			return false
		}
		begin, end := from+i, from+i+len(word)
		if (end == len(name) || !isLetter(name[end])) && (!whole || begin == 0 || !isLetter(name[begin-1])) {
			return true
		}
		from = begin + 1
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isPathWord(segment string) bool {
	segment = unescape(segment)
	return slices.ContainsFunc(pathWords, func(word string) bool { return len(word) == len(segment) && strings.EqualFold(word, segment) })
}

// unescape decodes the percent signs of a text, however often it was encoded. What is not an encoding stays.
func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		c, size := decoded(text[i:])
		out = append(out, c)
		i += size
	}
	return string(out)
}

// decoded returns the character that text begins with, and its length: of "%2525253D" it is the equals sign.
func decoded(text string) (c byte, size int) {
	if text[0] != '%' {
		return text[0], 1
	}
	i := 1
	for strings.HasPrefix(text[i:], "25") {
		i += 2
	}
	if i+1 < len(text) {
		if high, low := fromHex(text[i]), fromHex(text[i+1]); high >= 0 && low >= 0 {
			return byte(high<<4 | low), i + 2
		}
	}
	return '%', 1
}

func fromHex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// Shown returns at most limit bytes of what a client sent, for a message. Whatever would end or leave quotes around it, or
// means something to a terminal, has a percent sign, so that no byte sent becomes more than three written ones.
func Shown(text string, limit int) string {
	if len(text) <= limit && strings.IndexFunc(text, isOdd) < 0 {
		return text
	}
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, min(limit, 3*len(text)))
	for i := range len(text) {
		if len(out)+3 > limit {
			return string(out) + "..."
		}
		if c := text[i]; isOdd(rune(c)) {
			out = append(out, '%', digits[c>>4], digits[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

func isOdd(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }
