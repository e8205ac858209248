// Package js has what JavaScript's built-in functions do differently from Go's standard library: the conversions that
// a program must share with a Node backend to read and write the same bytes.
package js

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// uriComponent undoes what url.QueryEscape escapes and JavaScript does not, and writes a space as %20.
var uriComponent = strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")

// EncodeURIComponent is JavaScript's encodeURIComponent.
func EncodeURIComponent(s string) string { return uriComponent.Replace(url.QueryEscape(s)) }

// DecodeURIComponent is JavaScript's decodeURIComponent, except that a string which it refuses is returned
// unchanged: broken escapes, and escapes that do not decode to UTF-8.
func DecodeURIComponent(s string) string {
	if plain, err := url.PathUnescape(s); err == nil && utf8.ValidString(plain) {
		return plain
	}
	return s
}
