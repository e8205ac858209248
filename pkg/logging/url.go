package logging

import (
	"net/url"
	"strings"
)

// sensitive are the words in a parameter's name that keep its value out of a log.
var sensitive = [...]string{
	"code", "state", "token", "secret", "password", "nonce", "session", "verifier", "assertion", "authorization",
	"api_key", "apikey", "signature",
}

// URL returns uri, a request's path and query or a whole URL, without the values of query parameters such as code,
// state and token ("…?code=***&env=development"). All other parameters stay as they are, to the byte.
func URL(uri string) string {
	uri, fragment, _ := strings.Cut(uri, "#")
	path, query, found := strings.Cut(uri, "?")
	if !found && fragment == "" {
		return uri
	}
	var b strings.Builder
	b.Grow(len(uri))
	b.WriteString(path)
	for separator := byte('?'); found; separator = '&' {
		var part string
		part, query, found = strings.Cut(query, "&")
		b.WriteByte(separator)
		name, value, hasValue := strings.Cut(part, "=")
		// For some servers a semicolon separates parameters too.
		if _, others, more := strings.Cut(value, ";"); hasValue && (isSensitive(name) || more && isSensitive(others)) {
			b.WriteString(name + "=***")
		} else {
			b.WriteString(part)
		}
	}
	if fragment != "" {
		b.WriteString("#***") // the implicit grant puts tokens there
	}
	return b.String()
}

func isSensitive(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name = strings.ToLower(name)
	for _, part := range sensitive {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
