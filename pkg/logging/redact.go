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

// shortest is the length of the shortest value that counts as a secret. Striking out words of three letters makes
// a log unreadable and hides nothing.
const shortest = 4

// mark stands for what is struck out.
const mark = "***"

// Redactor strikes secrets out of log entries. It works on whole encoded entries, so that nothing gets past it: no
// message, field, error or stack.
type Redactor struct {
	output   zapcore.WriteSyncer
	replacer atomic.Pointer[strings.Replacer]
	line     bytes.Buffer // of the current Write
}

// SetSecrets replaces the given values, and only those, by *** from the next entry on, also if they are URL-encoded
// or quoted. It returns how many values it replaces: without duplicates, and without values of fewer than four
// characters. Space around a value is not part of it. SetSecrets may be called at any time.
func (r *Redactor) SetSecrets(secrets []string) int {
	seen := map[string]bool{}
	var forms []string
	for _, secret := range secrets {
		// A plugin may have trimmed a secret that it read from a file.
		if secret = strings.TrimSpace(secret); len(secret) < shortest || seen[secret] {
			continue
		}
		seen[secret] = true
		forms = append(forms, secret, url.QueryEscape(secret), url.PathEscape(secret))
		// As the encoder writes it: in a string, in a value of another type, and quoted by %q in a message.
		quoted := strconv.Quote(secret)
		forms = append(forms, encoded(zap.String("", secret)), encoded(zap.Reflect("", secret)),
			quoted[1:len(quoted)-1], encoded(zap.String("", quoted[1:len(quoted)-1])))
	}
	// The longest goes first: otherwise a secret that contains another one would be struck out only in part.
	slices.SortStableFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, "***")
	}
	r.replacer.Store(strings.NewReplacer(pairs...))
	return len(seen)
}

// encoded returns the value of a field as log lines have it, without the quotes around it. encoding/json would not
// do: it escapes more characters than zap.
func encoded(field zapcore.Field) string {
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{SkipLineEnding: true})
	line, err := encoder.EncodeEntry(zapcore.Entry{}, []zapcore.Field{field})
	if err != nil { // impossible for a string; an empty form would match everywhere
		return "***"
	}
	defer line.Free()
	return strings.TrimSuffix(strings.TrimPrefix(line.String(), `{"":"`), `"}`)
}

// Write writes one encoded entry, with a single write to the output. The logger never calls it concurrently.
func (r *Redactor) Write(line []byte) (int, error) {
	r.line.Reset()
	_, _ = r.replacer.Load().WriteString(&r.line, string(line)) // a buffer takes everything
	_, err := r.output.Write(r.line.Bytes())
	return len(line), err
}

// Sync flushes the output.
func (r *Redactor) Sync() error { return r.output.Sync() }
