// Package logging makes the root logger of the host: JSON lines in production and readable ones otherwise,
// as Backstage does, with the values that the configuration marks as secret struck out.
package logging

import (
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Options say how the root logger writes.
type Options struct {
	// Output takes the lines. The logger locks it.
	Output zapcore.WriteSyncer
	// JSON selects one JSON object a line (NODE_ENV=production) in place of readable lines.
	JSON bool
	// Level is the lowest level written, by Backstage's names: error, warn, info, debug. "" is info.
	Level string
}

// levels are those of Backstage, which has some more between info and debug, and one below.
var levels = map[string]zapcore.Level{
	"": zapcore.InfoLevel, "error": zapcore.ErrorLevel, "warn": zapcore.WarnLevel, "info": zapcore.InfoLevel,
	"http": zapcore.InfoLevel, "verbose": zapcore.InfoLevel, "debug": zapcore.DebugLevel, "silly": zapcore.DebugLevel,
}

// New returns the root logger and the redactor that all its lines, and those of its children, go through.
func New(o Options) (*zap.Logger, *Redactor, error) {
	level, known := levels[o.Level]
	if !known {
		return nil, nil, fmt.Errorf("LOG_LEVEL is %q, expected one of error, warn, info, debug", o.Level)
	}
	config := zapcore.EncoderConfig{
		MessageKey: "message", LevelKey: "level", TimeKey: "timestamp",
		LineEnding:       zapcore.DefaultLineEnding,
		EncodeTime:       zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"),
		EncodeDuration:   zapcore.StringDurationEncoder,
		EncodeLevel:      zapcore.LowercaseLevelEncoder,
		ConsoleSeparator: " ",
	}
	encoder := zapcore.NewConsoleEncoder(config)
	if o.JSON {
		encoder = zapcore.NewJSONEncoder(config)
	}
	redactor := &Redactor{output: o.Output}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(redactor), level)), redactor, nil
}
