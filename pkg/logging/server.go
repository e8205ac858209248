package logging

import (
	stdlog "log"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// ServerErrors returns a logger for the ErrorLog of an http.Server or a ReverseProxy. What clients cause, such as
// a TLS handshake that fails, is for debugging. A panic is an error with its stack; everything else is a warning.
func ServerErrors(log *zap.Logger) *stdlog.Logger {
	return stdlog.New(serverErrors{log}, "", 0)
}

type serverErrors struct{ log *zap.Logger }

// Write logs one line of net/http's. The line goes into a field, since clients have a say in what is in it.
func (s serverErrors) Write(line []byte) (int, error) {
	text, stack, level := strings.TrimSpace(string(line)), "", zapcore.WarnLevel
	switch {
	case strings.Contains(text, "TLS handshake error"), strings.Contains(text, "context canceled"):
		level = zapcore.DebugLevel
	case strings.Contains(text, "panic serving"):
		level = zapcore.ErrorLevel
		// The last such line: what the panic says, which comes before the stack, may hold one as well.
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
