package logging_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/logging"
)

// settings reads backend.logger from JSON.
func settings(t testing.TB, logger string) logging.Settings {
	t.Helper()
	s, err := read(t, logger)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t testing.TB, logger string) (logging.Settings, error) {
	t.Helper()
	data, err := value.ParseJSON([]byte(`{"backend":{"logger":` + logger + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return logging.ReadSettings(appconfig.New(appconfig.Layer{Name: "app-config.yaml", Data: data.(*value.Object)}))
}

// testdata/overrides.json has what Backstage's own logger wrote: testdata/record.cjs records it.
func TestOverridesAreThoseOfBackstage(t *testing.T) {
	text, err := os.ReadFile("testdata/overrides.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name         string
		Config       json.RawMessage
		With, Fields map[string]any
		Message      string
		Written      string
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for _, asJSON := range []bool{true, false} {
			var out bytes.Buffer
			root, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: asJSON})
			log := root.With(fields(c.With)...) // before the settings are in use
			sink.Use(settings(t, string(c.Config)))
			var got []string
			for _, level := range []zapcore.Level{zap.DebugLevel, zap.InfoLevel, zap.WarnLevel, zap.ErrorLevel} {
				out.Reset()
				log.Log(level, c.Message, fields(c.Fields)...)
				if out.Len() > 0 {
					got = append(got, level.String())
				}
			}
			if got := strings.Join(got, " "); got != c.Written {
				t.Errorf("%s, json=%v: %q is written, want %q", c.Name, asJSON, got, c.Written)
			}
		}
	}
}

func fields(object map[string]any) (list []zap.Field) {
	for key, v := range object {
		list = append(list, zap.Any(key, v))
	}
	return list
}

// A matcher sees a field of any type as the line has it, but not within an object.
func TestOverridesSeeFieldsAsTheLineHasThem(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all := []zap.Field{
		zap.Duration("took", 1500*time.Millisecond), zap.Error(fmt.Errorf("no such %s", "file")), zap.Time("at", at), zap.Uint64("big", 7), zap.Float32("half", 0.5),
		zap.ByteString("bytes", []byte("text")), zap.Stringer("stringer", at.Month()), zap.Any("nothing", nil), zap.Strings("list", []string{"a"}), zap.Bool("yes", true),
		zap.Int("twice", 1), zap.Int("twice", 2), zap.Skip(), zap.Dict("object", zap.Int("inner", 1)), zap.Namespace("space"), zap.Int("nested", 1),
	}
	for matchers, want := range map[string]bool{
		`{"took":"1.5s"}`: true, `{"error":"/^no such/"}`: true, `{"at":"2026-01-02T03:04:05.000Z"}`: true, `{"big":7}`: true, `{"half":0.5}`: true,
		`{"bytes":"text"}`: true, `{"stringer":"January"}`: true, `{"nothing":[null]}`: true, `{"list":"a"}`: false, `{"list":["a"]}`: false, `{"yes":true}`: true, `{"yes":"true"}`: false,
		`{"twice":2}`: true, `{"twice":1}`: false, `{"":"/.*/"}`: false, `{"inner":1}`: false, `{"object":{"inner":1}}`: false, `{"nested":1}`: false,
		`{"logger":"name"}`: true, `{"missing":[null]}`: false, `{"stack":"/./"}`: false,
	} {
		for _, with := range []int{0, 5, len(all)} {
			var out bytes.Buffer
			log, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: true})
			sink.Use(settings(t, `{"level":"error","overrides":[{"matchers":`+matchers+`,"level":"debug"}]}`))
			log.Named("name").With(all[:with]...).Debug("message", all[with:]...)
			if got := out.Len() > 0; got != want {
				t.Errorf("%s matches, with %d fields of the logger: %v, want %v", matchers, with, got, want)
			}
		}
	}
}

// A child that was made before obeys from its next entry on, and each entry has the fields of one configuration.
func TestSettingsAreReloadable(t *testing.T) {
	for _, asJSON := range []bool{true, false} {
		var out bytes.Buffer
		root, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: asJSON})
		log := root.With(zap.String("plugin", "a"))
		seen := func(level zapcore.Level) bool {
			out.Reset()
			log.Log(level, "message")
			return out.Len() > 0
		}
		for _, step := range []struct {
			logger string
			lowest zapcore.Level
			has    string
		}{
			{`{}`, zap.InfoLevel, ""},
			{`{"level":"debug","meta":{"region":"eu"}}`, zap.DebugLevel, "eu"},
			{`{"level":"error","meta":{"region":"us"}}`, zap.ErrorLevel, "us"},
			{`{"overrides":[{"matchers":{"plugin":"a"},"level":"warn"}]}`, zap.WarnLevel, ""},
			{`{"level":"warn"}`, zap.WarnLevel, ""},
			{`{}`, zap.InfoLevel, ""},
		} {
			sink.Use(settings(t, step.logger))
			for _, level := range []zapcore.Level{zap.DebugLevel, zap.InfoLevel, zap.WarnLevel, zap.ErrorLevel} {
				got := seen(level)
				if want := level >= step.lowest; got != want || got && strings.Contains(out.String(), "region") != (step.has != "") || !strings.Contains(out.String(), step.has) && got {
					t.Errorf("json=%v, %s: at %v written is %v: %s", asJSON, step.logger, level, got, out.String())
				}
			}
		}
	}
}

func TestSettingsChangeWhileOthersLog(t *testing.T) {
	var out bytes.Buffer
	root, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: true})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			log := root.With(zap.Any("plugin", map[string]int{"a": 1}))
			for range 200 {
				log.With(zap.String("x", "y")).Info("message", zap.String("region", "own"))
				log.Debug("message")
			}
		})
	}
	for i := range 200 {
		sink.Use(settings(t, fmt.Sprintf(`{"meta":{"region":"eu","n":%d},"overrides":[{"matchers":{"message":"/^m/"},"level":"debug"}]}`, i)))
	}
	all.Wait()
	for line := range strings.Lines(out.String()) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("broken line %s", line)
		}
	}
}

// What a field of a logger points to may change after With. The line has what it was then, also under new settings.
func TestFieldsAreThoseAtTheTimeOfWith(t *testing.T) {
	var out bytes.Buffer
	root, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: true})
	changing := map[string]string{"is": "before"}
	log := root.With(zap.Any("any", changing), zap.Error(fmt.Errorf("cause")))
	changing["is"] = "after"
	sink.Use(settings(t, `{"meta":{"a":1}}`))
	log.Info("message")
	if got := out.String(); !strings.Contains(got, `"any":{"is":"before"},"error":"cause"}`) {
		t.Errorf("got %s", got)
	}
}

func TestLogLevelGoesBeforeTheConfiguration(t *testing.T) {
	for _, c := range []struct{ variable, config, want string }{
		{"", `{}`, "warn info"},
		{"", `{"level":"error"}`, ""},
		{"", `{"level":"debug"}`, "warn info debug"},
		{"error", `{"level":"debug"}`, ""},
		{"debug", `{"level":"error"}`, "warn info debug"},
		{" ", `{"level":"error"}`, ""},
		{"chatty", `{"level":"debug"}`, "warn info debug"},
		{"chatty", `{}`, "warn info"},
		{"info", `{"level":"error"}`, "warn info"},
		{"silent", `{}`, ""},
		{"error", `{"overrides":[{"matchers":{"message":"debug"},"level":"debug"}]}`, "debug"},
	} {
		var out bytes.Buffer
		log, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), Level: c.variable})
		sink.Use(settings(t, c.config))
		out.Reset()
		log.Warn("warn")
		log.Info("info")
		log.Debug("debug")
		var got []string
		for line := range strings.Lines(out.String()) {
			got = append(got, strings.Fields(line)[2])
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("LOG_LEVEL=%q and %s write %q, want %q", c.variable, c.config, got, c.want)
		}
	}
}

// Each entry has the fields of backend.logger.meta. Its own ones go before them, and no name comes twice.
func TestMetaIsAddedToEachEntry(t *testing.T) {
	const meta = `{"meta":{"region":"eu","plugin":"m","url":"m","logger":"m","level":"m","message":"m","timestamp":"m","stack":"m","list":[1,{"b":null,"a":"<x>"}],"n":1.5}}`
	added := `"list":[1,{"b":null,"a":"<x>"}],"n":1.5`
	for want, write := range map[string]func(*zap.Logger){
		`"message":"plain","region":"eu","plugin":"m","url":"m","logger":"m","stack":"m",` + added:                      func(l *zap.Logger) { l.Info("plain") },
		`"message":"of a plugin","region":"eu","url":"m","logger":"m","stack":"m",` + added + `,"plugin":"a"`:           func(l *zap.Logger) { l.With(zap.String("plugin", "a")).Info("of a plugin") },
		`"message":"call","region":"eu","plugin":"m","logger":"m","stack":"m",` + added + `,"url":"/a"`:                 func(l *zap.Logger) { l.Info("call", zap.String("url", "/a")) },
		`"logger":"name","message":"named","region":"eu","plugin":"m","url":"m","stack":"m",` + added:                   func(l *zap.Logger) { l.Named("name").Info("named") },
		`"message":"space","region":"eu","plugin":"m","url":"m","logger":"m","stack":"m",` + added + `,"space":{"x":1}`: func(l *zap.Logger) { l.With(zap.Namespace("space")).Info("space", zap.Int("x", 1)) },
	} {
		for _, before := range []bool{true, false} {
			var out bytes.Buffer
			log, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: true})
			if before {
				write(log)
				out.Reset()
			}
			sink.Use(settings(t, meta))
			write(log)
			_, got, _ := strings.Cut(out.String(), `Z",`)
			if diff := cmp.Diff(want+"}\n", got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}
}

func TestAllProblemsOfTheSettingsAreReported(t *testing.T) {
	_, err := read(t, `{"level":"chatty","meta":"x","overrides":[{"matchers":{}},{"level":"loud","matchers":{}},{"level":"warn"},{"level":"warn","matchers":[]}]}`)
	const words = "is not a valid logging level, must be one of 'error', 'warn', 'info' or 'debug'"
	want := []string{
		"backend.logger.level in 'app-config.yaml': the value " + words, "'backend.logger.meta'", "'backend.logger.overrides[0].level'",
		"backend.logger.overrides[1].level in 'app-config.yaml': the value " + words, "'backend.logger.overrides[2].matchers'", "'backend.logger.overrides[3].matchers'",
	}
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != len(want) || slices.ContainsFunc(lines, func(l string) bool { return !strings.Contains(l, "app-config.yaml") }) {
		t.Fatalf("got %q", lines)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) || strings.Contains(line, "chatty") || strings.Contains(line, "loud") {
			t.Errorf("got %s, want %s", line, want[i])
		}
	}
}

// A regular expression that would backtrack endlessly holds up a line for a moment only, and matches nothing.
func TestMatchersEndInTime(t *testing.T) {
	var out bytes.Buffer
	log, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out)})
	sink.Use(settings(t, `{"overrides":[{"matchers":{"message":"/^(a+)+$/"},"level":"error"}]}`))
	log.Info(strings.Repeat("a", 60) + "b")
	if out.Len() == 0 {
		t.Error("the line is missing")
	}
}

func TestHushKeepsOnlyInfoBack(t *testing.T) {
	for level, want := range map[string]string{"": "warn error info2", "debug": "info debug warn error info2", "error": "error"} {
		var out bytes.Buffer
		log, sink := logging.New(logging.Options{Output: zapcore.AddSync(&out), Level: level})
		child := log.With(zap.String("plugin", "p"))
		sink.Hush(true)
		child.Info("said-info")
		child.Debug("said-debug")
		child.Warn("said-warn")
		child.Error("said-error")
		sink.Hush(false)
		child.Info("said-info2")
		var got []string
		for word := range strings.FieldsSeq(out.String()) {
			if said, ok := strings.CutPrefix(word, "said-"); ok {
				got = append(got, said)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("level %q: %s, want %s", level, got, want)
		}
	}
}
