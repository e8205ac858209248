package logging_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

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

// BenchmarkSecrets shows that the cost of a line does not depend on the number of secrets, as TestRedactionDoesNotCostByTheSecret
// proves.
func BenchmarkSecrets(b *testing.B) {
	for _, n := range []int{0, 1, 10, 1000} {
		for name, asJSON := range map[string]bool{"json": true, "text": false} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				line := secretLines(asJSON, n)
				b.ReportAllocs()
				for b.Loop() {
					line()
				}
			})
		}
	}
}

// secretLines returns a function that writes a line of a plugin's logger, whose sink has n secrets: random ones, and URLs that begin as
// one in the line does.
func secretLines(asJSON bool, n int) func() {
	root, sink := logging.New(logging.Options{Output: zapcore.AddSync(new(discard)), JSON: asJSON})
	random := rand.New(rand.NewPCG(1, uint64(n)))
	var secrets []string
	for i := range n {
		secret := fmt.Sprintf("%x%x", random.Uint64(), random.Uint64())
		if i%2 == 1 {
			secret = "https://coder.example.com/" + secret + "?x=/+ü"
		}
		secrets = append(secrets, secret)
	}
	sink.SetSecrets(secrets)
	log := root.With(zap.String("type", "plugin"), zap.String("plugin", "auth"))
	return func() {
		log.Info("a message of the usual length, about what a plugin has done",
			zap.String("url", "/api/auth/coder/start"), zap.String("target", "https://coder.example.com/api/v2"), zap.Int("status", 200))
	}
}

// With 1, 10 or 1,000 secrets a line costs at most 1.5 times what it costs without any, in one run.
func TestRedactionDoesNotCostByTheSecret(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("it measures time")
	}
	const lines, rounds, most = 2000, 30, 1.5
	for name, asJSON := range map[string]bool{"json": true, "text": false} {
		counts := []int{0, 1, 10, 1000}
		write, best := make([]func(), len(counts)), make([]time.Duration, len(counts))
		for i, n := range counts {
			write[i], best[i] = secretLines(asJSON, n), time.Hour
		}
		for range rounds { // in turns, so that others on the machine slow all of them, and the best of each counts
			for i := range counts {
				begin := time.Now()
				for range lines {
					write[i]()
				}
				best[i] = min(best[i], time.Since(begin))
			}
		}
		for i, n := range counts[1:] {
			ratio := float64(best[i+1]) / float64(best[0])
			t.Logf("%s, %d secrets: %.2f times the cost of none", name, n, ratio)
			if ratio >= most {
				t.Errorf("%s, %d secrets: %.2f times the cost of none, want less than %.1f", name, n, ratio, most)
			}
		}
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
