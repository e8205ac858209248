package logging

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// shortest is the length below which a value is not taken for a secret: striking out words of three letters
// everywhere makes a log unreadable and hides nothing.
const shortest = 4

// Redactor strikes secrets out of log lines. It works on whole encoded lines, so that nothing gets past it:
// neither a message, nor a field, nor an error's text.
type Redactor struct {
	output   zapcore.WriteSyncer
	replacer atomic.Pointer[strings.Replacer]
	line     bytes.Buffer // of the Write under way
}

// SetSecrets makes the given values, and them alone, unreadable from the next line on: *** takes their
// place, also where they stand URL-encoded or quoted. It returns how many there are; blanks around a value do
// not count, and values of fewer than four characters are not counted and not struck out. It may be called at any time.
func (r *Redactor) SetSecrets(secrets []string) int {
	var trimmed []string
	for _, secret := range secrets {
		// Whoever uses a secret from a file may have trimmed it, so the blanks around it are no part of it.
		if secret = strings.TrimSpace(secret); len(secret) >= shortest {
			trimmed = append(trimmed, secret)
		}
	}
	slices.Sort(trimmed)
	secrets = slices.Compact(trimmed)
	var forms []string
	for _, secret := range secrets {
		forms = append(forms, secret, url.QueryEscape(secret), url.PathEscape(secret))
		// As the encoder writes it: in a text, in a value of a type of its own, and quoted by %q in a message.
		quoted := strconv.Quote(secret)
		forms = append(forms, encoded(zap.String("", secret)), encoded(zap.Reflect("", secret)),
			quoted[1:len(quoted)-1], encoded(zap.String("", quoted[1:len(quoted)-1])))
	}
	// The longest goes first, or a secret that holds another one would be struck out only in part.
	slices.SortStableFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, "***")
	}
	r.replacer.Store(strings.NewReplacer(pairs...))
	return len(secrets)
}

// encoded is the text of a field as log lines hold it, without the quotes around it. zap escapes fewer
// characters than encoding/json does, and a form that it does not write would strike out nothing.
func encoded(field zapcore.Field) string {
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{SkipLineEnding: true})
	line, err := encoder.EncodeEntry(zapcore.Entry{}, []zapcore.Field{field})
	if err != nil { // cannot be: it is a text. An empty form would be found everywhere.
		return "***"
	}
	defer line.Free()
	return strings.TrimSuffix(strings.TrimPrefix(line.String(), `{"":"`), `"}`)
}

// Write writes one encoded line, with a single write to the output. The logger calls it for one line at a time.
func (r *Redactor) Write(line []byte) (int, error) {
	replacer := r.replacer.Load()
	if replacer == nil {
		return r.output.Write(line)
	}
	r.line.Reset()
	_, _ = replacer.WriteString(&r.line, string(line)) // a buffer takes everything
	if _, err := r.output.Write(r.line.Bytes()); err != nil {
		return 0, err
	}
	return len(line), nil
}

// Sync flushes the output.
func (r *Redactor) Sync() error { return r.output.Sync() }

// sensitive are the parts of a parameter's name that tell that its value is not for a log.
var sensitive = [...]string{
	"code", "state", "token", "secret", "password", "nonce", "session", "verifier", "assertion", "authorization",
	"api_key", "apikey", "signature",
}

// URL returns uri, a request's path and query or a whole URL, with the values of query parameters such as
// code, state and token left out ("…?code=***&env=development"). Parameters that are none of these stay as
// they are, to the byte.
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
		// Servers that take a semicolon for a separator find other parameters in the value.
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
