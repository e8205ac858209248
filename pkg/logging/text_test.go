package logging_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/logging"
)

// clock is one that stands.
type clock struct{}

func (clock) Now() time.Time {
	return time.Date(2026, 11, 26, 7, 49, 49, 198e6, time.FixedZone("CET", 3600))
}
func (clock) NewTicker(time.Duration) *time.Ticker { panic("not used") }

// The lines are those of Backstage's colorFormat, with padded columns. Without colours they have no codes at all.
func TestReadableLinesAreThoseOfBackstage(t *testing.T) {
	var out bytes.Buffer
	root, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), Color: true, Level: "debug"})
	root = root.WithOptions(zap.WithClock(clock{}))
	coder := root.With(zap.String("service", "backstage"), zap.String("type", "plugin"), zap.String("plugin", "coder"))
	sink.Use(settings(t, `{"meta":{"env":"x"}}`))
	coder.Info("hello there")
	coder.Warn("careful", zap.String("url", "/a b"), zap.Int("n", 3), zap.Any("o", map[string]any{"a": []int{1}}), zap.String(`od"d key`, "a\nb"))
	root.With(zap.String("service", "backstage")).Error("root line", zap.Error(errors.New("why")))
	coder.Debug("dbg", zap.String("plugin", "other"))
	root.With(zap.String("service", "aVeryLongNameOfAService"), zap.String("plugin", "")).Info("two\nlines")
	root.Info("nobody's")
	const time, end = "\x1b[2m2026-11-26T06:49:49.198Z\x1b[22m ", "\x1b[39m"
	key := func(name string) string { return " \x1b[36m" + name + end + "=" }
	want := time + "\x1b[34mcoder" + end + "          \x1b[32minfo" + end + "  hello there" + key("env") + `"x"` + key("type") + `"plugin"` + "\n" +
		time + "\x1b[34mcoder" + end + "          \x1b[33mwarn" + end + "  careful" + key("env") + `"x"` + key("type") + `"plugin"` + key("url") + `"/a b"` + key("n") + "3" + key("o") + `{"a":[1]}` + key(`"od\"d key"`) + `"a\nb"` + "\n" +
		time + "\x1b[34mbackstage" + end + "      \x1b[31merror" + end + " root line" + key("env") + `"x"` + key("error") + `"why"` + "\n" +
		time + "\x1b[34mother" + end + "          \x1b[90mdebug" + end + " dbg" + key("env") + `"x"` + key("type") + `"plugin"` + "\n" +
		time + "\x1b[34maVeryLongNameOfAService" + end + " \x1b[32minfo" + end + `  two\nlines` + key("env") + `"x"` + "\n" +
		time + "\x1b[34m-" + end + "              \x1b[32minfo" + end + "  nobody's" + key("env") + `"x"` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	plain, _ := logging.New(logging.Options{Output: zapcore.AddSync(&out)})
	plain.WithOptions(zap.WithClock(clock{})).With(zap.String("service", "host")).Info("listening", zap.String("url", "http://x"))
	if diff := cmp.Diff("2026-11-26T06:49:49.198Z host           info  listening url=\"http://x\"\n", out.String()); diff != "" {
		t.Errorf("without colours (-want +got):\n%s", diff)
	}
}

// own are the codes of the logger. Each is opened and closed in turn.
var own = regexp.MustCompile("\x1b\\[2m[^\x1b]*\x1b\\[22m|\x1b\\[(?:3[1-46]|90)m[^\x1b]*\x1b\\[39m")

// A hostile value neither adds a colour or a line, nor leaves one of ours open, whatever is cut.
func TestHostileValuesAddNoColors(t *testing.T) {
	hostile := "\x1b[31mred\x1b[39m\x1b]0;title\x07\u009b31m\r\n2026-11-26T06:49:49.198Z host info forged\\u001b[31m"
	for n := range 40 {
		var out bytes.Buffer
		log, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), Color: true})
		sink.SetSecrets([]string{"s3cret\x1b[31m\nof two lines"})
		fields := []zap.Field{zap.String("field"+hostile, hostile), zap.Error(errors.New(hostile)), zap.Any("any", map[string]any{hostile: hostile})}
		for range n {
			fields = append(fields, zap.String(strings.Repeat("k", 800), "v"), zap.String("k", strings.Repeat("v\x1b", 10*n)))
		}
		log.Named(hostile).With(zap.String("plugin", hostile), zap.String("secret", "s3cret\x1b[31m\nof two lines")).Info(hostile+"s3cret\x1b[31m\nof two lines", fields...)
		got := out.String()
		if strings.ContainsAny(own.ReplaceAllString(got, ""), "\x1b\x07\r\u009b") || strings.Count(got, "\n") != 1 || len(got) > 33<<10 {
			t.Errorf("%d more fields: %.2000q", n, got)
		}
		if strings.Contains(got, "s3cret") || strings.Contains(got, "two lines") || strings.Count(got, "***") != 2 {
			t.Errorf("a secret with codes in it is written: %.2000q", got)
		}
	}
}

// A secret that looks like a part of the line's form may break the fields, but nothing else.
func TestSecretsOfTheFormOfALine(t *testing.T) {
	for _, secret := range []string{`"plugin":"`, `","b":"`, `{"a":`, `":"x`, `"}]}`, `\"\"`} {
		var out bytes.Buffer
		log, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), Color: true})
		sink.SetSecrets([]string{secret})
		log.With(zap.String("plugin", "p")).Info("message", zap.String("a", `x"\`), zap.String("b", "\"\""), zap.Any("c", []any{map[string]any{"d": "x"}}))
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, " message") || strings.Contains(got, secret) {
			t.Errorf("%s: %q", secret, got)
		}
	}
}

func TestColorsAreForTerminals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	from, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer pipe.Close()
	for environ, want := range map[string]struct{ terminal, other bool }{
		"": {true, false}, "NO_COLOR=1": {false, false}, "NO_COLOR=": {true, false}, "NO_COLOR=0": {false, false}, "TERM=dumb": {false, false}, "TERM=xterm": {true, false},
		"FORCE_COLOR=": {true, true}, "FORCE_COLOR=1": {true, true}, "FORCE_COLOR=true": {true, true}, "FORCE_COLOR=2": {true, true}, "FORCE_COLOR=3": {true, true},
		"FORCE_COLOR=0": {false, false}, "FORCE_COLOR=no": {false, false}, "FORCE_COLOR=1 NO_COLOR=1": {true, true}, "FORCE_COLOR=0 TERM=xterm": {false, false},
	} {
		lookup := func(name string) (string, bool) {
			for entry := range strings.FieldsSeq(environ) {
				if value, ok := strings.CutPrefix(entry, name+"="); ok {
					return value, true
				}
			}
			return "", false
		}
		if got := logging.Colored(device, lookup); got != want.terminal {
			t.Errorf("%q, a terminal: %v", environ, got)
		}
		for _, f := range []*os.File{file, pipe} {
			if got := logging.Colored(f, lookup); got != want.other {
				t.Errorf("%q, %s: %v", environ, f.Name(), got)
			}
		}
	}
}
