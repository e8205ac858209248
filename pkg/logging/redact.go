package logging

import (
	"maps"
	"slices"
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

// redactor strikes secrets out of log entries. It works on what is encoded, so that nothing gets past it: no message,
// field, error or stack.
type redactor struct {
	striker atomic.Pointer[striker]
}

// SetSecrets replaces the given values, and only those, by *** from the next entry on, also if they are URL-encoded,
// quoted or in base64. It returns how many values it replaces: without duplicates, and without values of fewer than four
// characters. Space around a value is not part of it. SetSecrets may be called at any time.
func (r *redactor) SetSecrets(secrets []string) int {
	seen, all := map[string]bool{}, map[string]bool{}
	for _, secret := range secrets {
		// A plugin may have trimmed a secret that it read from a file.
		if secret = strings.TrimSpace(secret); len(secret) < shortest || seen[secret] {
			continue
		}
		seen[secret] = true
		alone := bare(secret)
		for _, form := range slices.Concat(forms(secret), forms(alone)) {
			all[form] = true
			all[encoded(zap.String("", form))] = true // in a string of an entry
		}
		all[encoded(zap.Reflect("", secret))] = true
		all[encoded(zap.Reflect("", alone))] = true
	}
	maps.DeleteFunc(all, func(form string, _ bool) bool { return len(form) < shortest })
	r.striker.Store(newStriker(maps.Keys(all)))
	return len(seen)
}

// bare returns the credentials in a value of the header Authorization without their scheme, and any other secret as it is.
func bare(secret string) string {
	scheme, credentials, _ := strings.Cut(secret, " ")
	credentials = strings.TrimSpace(credentials)
	if isScheme := slices.Contains([]string{"basic", "bearer", "token"}, strings.ToLower(scheme)); isScheme && len(credentials) >= shortest {
		return credentials
	}
	return secret
}

// encoded returns the value of a field as log lines have it, without the quotes around it. encoding/json would not
// do: it escapes more characters than zap.
func encoded(field zapcore.Field) string {
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{SkipLineEnding: true})
	line, err := encoder.EncodeEntry(zapcore.Entry{}, []zapcore.Field{field})
	if err != nil { // impossible for a string; an empty form would match everywhere
		return mark
	}
	defer line.Free()
	return strings.TrimSuffix(strings.TrimPrefix(line.String(), `{"":"`), `"}`)
}
