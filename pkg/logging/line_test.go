package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/logging"
)

// An entry is limited whatever is long in it, and stays one JSON object or one line.
func TestEntriesAreLimited(t *testing.T) {
	const limit = 33 << 10
	list := make([]string, 10_000)
	deep := any("end")
	for i := range list {
		list[i] = "item, \"quoted\" \\"
		if i < 2000 {
			deep = []any{"nested, text", deep}
		}
	}
	long := map[string]string{
		"letters": strings.Repeat("a", 1<<20), "quotes": strings.Repeat(`"`, 100_000), "backslashes": strings.Repeat(`\`, 100_001), "umlauts": strings.Repeat("ä", 100_000),
		"invalid": strings.Repeat("\xff", 100_000), "controls": strings.Repeat("\u009b", 100_000), "breaks": strings.Repeat("\n", 100_000), "three bytes": "a" + strings.Repeat("€", 100_000),
	}
	fields := map[string][]zap.Field{
		"a list": {zap.Strings("list", list)}, "nesting": {zap.Any("deep", deep)}, "an error": {zap.Error(errors.New(long["quotes"]))},
		"many fields": nil,
	}
	for i := range list {
		fields["many fields"] = append(fields["many fields"], zap.String("name", list[i]))
	}
	for name, text := range long {
		fields[name] = []zap.Field{zap.String("field", text), zap.Any("map", map[string]string{"x": text}), zap.ByteString("bytes", []byte(text))}
	}
	for name, fields := range fields {
		for _, asJSON := range []bool{true, false} {
			var out bytes.Buffer
			log, _ := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: asJSON})
			log.Info("message "+long[name], fields...)
			line := out.Bytes()
			if len(line) > limit || bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' || !utf8.Valid(line) {
				t.Errorf("%s, json=%v: %d bytes, %d lines", name, asJSON, len(line), bytes.Count(line, []byte("\n")))
			}
			var entry struct{ Level, Message string }
			if err := json.Unmarshal(line, &entry); asJSON && (err != nil || entry.Level != "info" || !strings.HasPrefix(entry.Message, "message ")) {
				t.Errorf("%s: %v in %.300s … %q", name, err, line, line[max(0, len(line)-60):])
			}
		}
	}
}

// The stack of a panic is longer than most entries, and is kept.
func TestStacksAreNotCut(t *testing.T) {
	var out bytes.Buffer
	log, _ := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: true})
	stack := strings.Repeat("main.main()\n\t/main.go:1\n", 500)
	log.Info("message", zap.String("stack", stack))
	if !strings.Contains(out.String(), strings.ReplaceAll(strings.ReplaceAll(stack, "\n", `\n`), "\t", `\t`)) {
		t.Errorf("%d bytes", out.Len())
	}
}

const controls = "\x00\x07\x1b[31m\x7f\u0085\u009b31m\u00ad\u061c\u200b\u200e\u200f\u202a\u202e\u2028\u2029\u2066\u2069\ufeff\xff\x9b\U000e0001"

// No character that turns the writing, moves the cursor or is not seen gets into the log, or onto standard error.
func TestControlCharactersNeverReachATerminal(t *testing.T) {
	for _, asJSON := range []bool{true, false} {
		var out bytes.Buffer
		log, _ := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: asJSON})
		log.Named("name"+controls).With(zap.String("with"+controls, controls)).Info("message"+controls+"\n2026 error forged\r",
			zap.String("field", controls), zap.Error(errors.New(controls)), zap.Any("any"+controls, map[string]any{controls: []string{controls}}), zap.ByteString("b", []byte(controls)))
		got := out.String()
		if strings.Count(got, "\n") != 1 || !utf8.ValidString(got) || strings.ContainsFunc(got, func(c rune) bool {
			return c != '\n' && (!asJSON || c != utf8.RuneError) && !unicode.IsPrint(c) && c != ' ' || c == '\u009b'
		}) {
			t.Errorf("json=%v: %q", asJSON, got)
		}
		if asJSON && !json.Valid(out.Bytes()) {
			t.Errorf("not JSON: %s", got)
		}
		if !strings.Contains(got, `\u202e`) || !strings.Contains(got, `\u009b31m`) {
			t.Errorf("json=%v: the characters cannot be told: %q", asJSON, got)
		}
	}
	for want, asJSON := range map[string]bool{"a\tb\n" + `c\u001b[31m\u202e\x9bö\U000e0001`: false, "a\tb\n" + `c\u001b[31m\u202e` + "\ufffd" + `ö\udb40\udc01`: true} {
		if got := string(logging.Printable([]byte("a\tb\nc\x1b[31m\u202e\x9bö\U000e0001"), asJSON)); got != want {
			t.Errorf("json=%v: got %q, want %q", asJSON, got, want)
		}
	}
}
