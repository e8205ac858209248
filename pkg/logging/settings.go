package logging

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// Settings say which entries are written and what is added to them: backend.logger. The zero value writes info and
// above, and adds nothing.
type Settings struct {
	level     zapcore.Level
	meta      []zapcore.Field
	overrides []override
	lowest    zapcore.Level // that anything is written at
}

// override is another level for the entries that match: all matchers do. The first that matches an entry counts.
type override struct {
	level    zapcore.Level
	matchers []matcher
}

// matcher compares a field of an entry, which has a JSON value.
type matcher struct {
	key     string
	matches func(any) bool
}

// ReadSettings reads backend.logger. Its error has all problems there.
func ReadSettings(config *appconfig.Config) (Settings, error) {
	const key = "backend.logger"
	var s Settings
	var errs []error
	name, ok, err := config.GetOptionalString(key + ".level")
	if ok {
		s.level, err = readLevel(name, key+".level", config.LayerOf(key+".level"))
	}
	errs = append(errs, err)
	meta, ok, err := config.GetOptionalConfig(key + ".meta")
	if ok {
		s.meta, err = readMeta(meta)
	}
	errs = append(errs, err)
	overrides, _, err := config.GetOptionalConfigArray(key + ".overrides")
	errs = append(errs, err)
	for i, given := range overrides {
		name, err1 := given.GetString("level")
		var o override
		if err1 == nil {
			o.level, err1 = readLevel(name, fmt.Sprintf("%s.overrides[%d].level", key, i), config.LayerOf(key+".overrides"))
		}
		matchers, err2 := given.GetConfig("matchers")
		if err2 == nil {
			o.matchers, err2 = readMatchers(matchers)
		}
		errs = append(errs, err1, err2)
		s.overrides = append(s.overrides, o)
	}
	return s, errors.Join(errs...)
}

// readLevel returns the level of one of Backstage's names. The error has Backstage's words, but not the value.
func readLevel(name, key, layer string) (zapcore.Level, error) {
	for _, l := range levels {
		if slices.Contains(l.names, name) {
			return l.level, nil
		}
	}
	return 0, fmt.Errorf("Invalid config at %s in '%s': the value is not a valid logging level, must be one of 'error', 'warn', 'info' or 'debug'",
		key, layer)
}

// readMeta returns the fields that are added to each entry. An entry has a level, a message and a time of its own.
func readMeta(config *appconfig.Config) (fields []zapcore.Field, err error) {
	all, err := config.Get("")
	object, _ := all.(*value.Object)
	for key, v := range object.All() {
		if !slices.Contains([]string{"level", "message", "timestamp"}, key) {
			fields = append(fields, zap.Any(key, v))
		}
	}
	return fields, err
}

func readMatchers(config *appconfig.Config) (list []matcher, err error) {
	all, err := config.Get("")
	object, _ := all.(*value.Object)
	for key, v := range object.All() {
		list = append(list, matcher{key, compileMatcher(v)})
	}
	return list, err
}

// maxMatch is how long a regular expression may look at a field. Each entry waits for it.
const maxMatch = 50 * time.Millisecond

// compileMatcher makes a function that compares a value as Backstage does: a string is equal, or matches a regular
// expression between slashes, an array has a matcher that matches, anything else is equal. An object never is.
func compileMatcher(matcher any) func(any) bool {
	switch m := matcher.(type) {
	case []any:
		var list []func(any) bool
		for _, item := range m {
			list = append(list, compileMatcher(item))
		}
		return func(v any) bool {
			return slices.ContainsFunc(list, func(matches func(any) bool) bool { return matches(v) })
		}
	case *value.Object:
		return func(any) bool { return false }
	case string:
		if re := compileRegExp(m); re != nil {
			return func(v any) bool {
				text, ok := v.(string)
				return ok && re.Test(text)
			}
		}
	}
	return func(v any) bool { return isScalar(v) && v == matcher }
}

// compileRegExp compiles what is between slashes, with the flags behind them. Of anything else it makes nil.
func compileRegExp(text string) *js.RegExp {
	last := strings.LastIndexByte(text, '/')
	if last <= 0 || text[0] != '/' {
		return nil
	}
	re, err := js.NewRegExp(text[1:last], text[last+1:])
	if err != nil {
		return nil // Backstage compares the text then
	}
	re.Within(maxMatch)
	return re
}

// writes reports whether an entry is written: the first override that matches it decides, or else the level.
func (s *Settings) writes(r *record) bool {
	for _, o := range s.overrides {
		if !slices.ContainsFunc(o.matchers, func(m matcher) bool { return !r.matches(m) }) {
			return r.entry.Level >= o.level
		}
	}
	return r.entry.Level >= s.level
}
