// Package logging makes the root logger of the host: JSON lines in production and readable ones otherwise,
// as in Backstage, with the level, the fields and the overrides of backend.logger. The values that the configuration marks
// as secret are struck out, control characters are escaped, and an entry is cut at 32 KiB.
package logging

import (
	stdlog "log"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Options say how the root logger writes.
type Options struct {
	// Output takes the lines. The logger locks it.
	Output zapcore.WriteSyncer
	// JSON selects one JSON object a line instead of Backstage's readable lines: time, plugin or service, level, message
	// and fields. The name of a named logger is the field "logger". A stack is "stack", or is below a readable line.
	JSON bool
	// Color gives readable lines Backstage's colours, for a terminal: see Colored.
	Color bool
	// Level is LOG_LEVEL, as ReadLevel understands it. If it is set, it goes before the level of the Settings.
	Level string
}

// New returns the root logger, and the sink that all its lines, and those of its children, go to. A level that nobody
// knows is logged as a warning, and does not count: it often comes from surroundings that other programs share.
func New(o Options) (*zap.Logger, *Sink) {
	sink := newSink(o)
	level, known := ReadLevel(o.Level)
	if known && strings.TrimSpace(o.Level) != "" {
		sink.level = &level
	}
	sink.Use(Settings{})
	root := zap.New(newCore(sink))
	if !known {
		root.Warn("LOG_LEVEL names no level that is known: backend.logger.level is used, or info",
			zap.String("service", "rootLogger"), zap.String("given", o.Level[:min(len(o.Level), 64)]), zap.String("expected", "one of "+levelNames()))
	}
	return root, sink
}

// Recovered logs an error: reason, which recover returned, with the stack of the panic.
func Recovered(log *zap.Logger, message string, reason any, fields ...zap.Field) {
	log.WithOptions(zap.AddStacktrace(zap.ErrorLevel), zap.AddCallerSkip(1)).Error(message, append(fields, zap.Any("panic", reason))...)
}

// ServerErrors returns a logger for the ErrorLog of an http.Server or a ReverseProxy. What clients cause, such as
// a TLS handshake that fails, is for debugging. A panic is an error with its stack; everything else is a warning.
func ServerErrors(log *zap.Logger) *stdlog.Logger {
	return stdlog.New(serverErrors{log}, "", 0)
}

type serverErrors struct{ log *zap.Logger }

// Write logs one error of net/http. It goes into a field, where it is escaped: clients may have chosen parts of it.
func (s serverErrors) Write(line []byte) (int, error) {
	text, stack, level := strings.TrimSpace(string(line)), "", zapcore.WarnLevel
	switch {
	case strings.HasPrefix(text, "http: TLS handshake error"), strings.HasSuffix(text, "context canceled"):
		level = zapcore.DebugLevel
	case strings.HasPrefix(text, "http: panic serving"):
		level = zapcore.ErrorLevel
		// The stack begins at the last such line: the panic's own text, which comes first, may have one as well.
		if at := strings.LastIndex(text, "\ngoroutine "); at >= 0 {
			text, stack = text[:at], text[at+1:]
		}
	}
	if entry := s.log.Check(level, "HTTP server error"); entry != nil {
		entry.Stack = stack
		entry.Write(zap.String("error", text))
	}
	return len(line), nil
}
