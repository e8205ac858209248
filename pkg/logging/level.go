package logging

import (
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"
)

// silent is above all levels.
const silent = zapcore.FatalLevel + 1

// levels are the names of levels with what is written for them. The first list is Backstage's, which are npm's: it has
// two levels more between info and debug, and one below. The others are names of syslog and of other loggers.
var levels = []struct {
	level           zapcore.Level
	names, synonyms []string
}{
	{zapcore.ErrorLevel, []string{"error"}, []string{"err", "severe", "crit", "critical", "fatal", "panic", "alert", "emerg", "emergency"}},
	{zapcore.WarnLevel, []string{"warn"}, []string{"warning"}},
	{zapcore.InfoLevel, []string{"info", "http", "verbose"}, []string{"", "information", "informational", "notice"}},
	{zapcore.DebugLevel, []string{"debug", "silly"}, []string{"trace", "fine", "finer", "finest", "all"}},
	{silent, nil, []string{"silent", "off", "none"}},
}

// ReadLevel returns the level that name means, in any case: one of Backstage's, or the nearest for a name of another
// logger. "" is info. silent, off and none write nothing. For a name that is not known it returns info and false.
func ReadLevel(name string) (level zapcore.Level, known bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, l := range levels {
		if slices.Contains(l.names, name) || slices.Contains(l.synonyms, name) {
			return l.level, true
		}
	}
	return zapcore.InfoLevel, false
}

// levelNames lists Backstage's names, and silent.
func levelNames() string {
	var names []string
	for _, l := range levels {
		names = append(names, l.names...)
	}
	return strings.Join(append(names, "silent"), ", ")
}
