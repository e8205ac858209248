package logging_test

import (
	"fmt"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/logging"
)

// The cost of one line of a plugin's logger, with as many secrets as a large configuration has.
func BenchmarkLine(b *testing.B) {
	for name, asJSON := range map[string]bool{"json": true, "text": false} {
		b.Run(name, func(b *testing.B) {
			root, redactor := logging.New(logging.Options{Output: zapcore.AddSync(new(discard)), JSON: asJSON})
			var secrets []string
			for i := range 50 {
				secrets = append(secrets, fmt.Sprintf("secret number %d of the configuration", i))
			}
			redactor.SetSecrets(secrets)
			log := root.With(zap.String("type", "plugin"), zap.String("plugin", "auth"))
			b.ReportAllocs()
			for b.Loop() {
				log.Info("a message of the usual length, about what a plugin has done", zap.String("url", "/api/auth/coder/start"), zap.Int("status", 200))
			}
		})
	}
}

// A line that is not written costs next to nothing.
func BenchmarkDisabled(b *testing.B) {
	root, _ := logging.New(logging.Options{Output: zapcore.AddSync(new(discard)), JSON: true})
	log := root.With(zap.String("type", "plugin"), zap.String("plugin", "auth"))
	b.ReportAllocs()
	for b.Loop() {
		log.Debug("a message", zap.String("url", "/api/auth/coder/start"), zap.Int("status", 200))
	}
}

// Overrides cost what their matchers look at.
func BenchmarkOverrides(b *testing.B) {
	for name, logger := range map[string]string{
		"none": `{}`, "equal": `{"overrides":[{"matchers":{"plugin":"auth"},"level":"info"}]}`, "regexp": `{"overrides":[{"matchers":{"message":"/done$/"},"level":"info"}]}`,
		"meta": `{"meta":{"region":"eu"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			root, sink := logging.New(logging.Options{Output: zapcore.AddSync(new(discard)), JSON: true})
			sink.Use(settings(b, logger))
			log := root.With(zap.String("type", "plugin"), zap.String("plugin", "auth"))
			b.ReportAllocs()
			for b.Loop() {
				log.Info("a message of the usual length, about what a plugin has done", zap.String("url", "/api/auth/coder/start"), zap.Int("status", 200))
			}
		})
	}
}
