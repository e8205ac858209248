package logging_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/logging"
)

func TestRedactorStrikesOutSecretsEverywhere(t *testing.T) {
	const secret = `s3cret/"+quoted`
	for _, json := range []bool{true, false} {
		var out bytes.Buffer
		log, redactor, err := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: json})
		if err != nil {
			t.Fatal(err)
		}
		child := log.With(zap.String("early", secret))
		if n := redactor.SetSecrets([]string{secret, secret, "abc", "  ", "", "s3cret/\"+quoted and more"}); n != 2 {
			t.Errorf("%d values are redacted, want 2: short and doubled ones do not count", n)
		}
		child.Info("message with "+secret, zap.Error(errors.New("error with "+secret)), zap.Any("deep", map[string]any{"x": []string{secret}}),
			zap.String("url", "http://host/?client_secret=s3cret%2F%22%2Bquoted&abc=abc"), zap.String("longer", secret+" and more"))
		got := out.String()
		if strings.Contains(got, "s3cret") || strings.Contains(got, "and more") {
			t.Errorf("json=%v: the line holds the secret:\n%s", json, got)
		}
		if strings.Count(got, "***") != 6 || !strings.Contains(got, "abc=abc") {
			t.Errorf("json=%v: want six marks and the short value untouched:\n%s", json, got)
		}
		redactor.SetSecrets(nil)
		out.Reset()
		log.Info("message with s3cret again")
		if !strings.Contains(out.String(), "s3cret") {
			t.Errorf("json=%v: a value that is no longer secret is struck out: %s", json, out.String())
		}
	}
}

// A secret is recognized in each form that the encoder writes, whatever its characters.
func TestRedactorKnowsTheEncodersEscapes(t *testing.T) {
	for _, secret := range []string{`s3cret"<1>`, `s3cret\&x`, "s3cret\"\u2028\x01\b\x7f", "s3cret\nof two lines", " s3cret-of-a-file\n"} {
		for _, json := range []bool{true, false} {
			var out bytes.Buffer
			log, redactor, err := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: json})
			if err != nil {
				t.Fatal(err)
			}
			redactor.SetSecrets([]string{secret})
			log.Info("message "+secret, zap.String("field", secret), zap.Error(fmt.Errorf("error: %q", secret)),
				zap.Any("deep", map[string]string{"x": secret}), zap.String("trimmed", strings.TrimSpace(secret)))
			log.Info(fmt.Sprintf("quoted: %q", secret))
			if got := out.String(); strings.Contains(got, "s3cret") {
				t.Errorf("json=%v: the line holds %q:\n%s", json, secret, got)
			}
		}
	}
}

func TestLevel(t *testing.T) {
	for level, want := range map[string]string{
		"": "warn info", "error": "", "warn": "warn", "info": "warn info", "http": "warn info", "verbose": "warn info",
		"debug": "warn info debug", "silly": "warn info debug",
	} {
		var out bytes.Buffer
		log, _, err := logging.New(logging.Options{Output: zapcore.AddSync(&out), Level: level})
		if err != nil {
			t.Fatal(err)
		}
		log.Warn("warn")
		log.Info("info")
		log.Debug("debug")
		var got []string
		for line := range strings.Lines(out.String()) {
			got = append(got, strings.Fields(line)[1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q writes %q, want %q", level, got, want)
		}
	}
	for _, level := range []string{"chatty", "fatal"} {
		_, _, err := logging.New(logging.Options{Output: zapcore.AddSync(new(bytes.Buffer)), Level: level})
		if want := `LOG_LEVEL is "` + level + `", expected one of error, warn, info, debug`; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"/health":                      "/health",
		"/start?env=development&scope": "/start?env=development&scope",
		"/oauth/callback?code=abc&state=def&env=x":           "/oauth/callback?code=***&state=***&env=x",
		"/x?%63ode=abc&CODE[]=d&Refresh_Token=e&a=b":         "/x?%63ode=***&CODE[]=***&Refresh_Token=***&a=b",
		"/x?code&code=&error=access_denied":                  "/x?code&code=***&error=access_denied",
		"https://app.example/#access_token=abc":              "https://app.example/#***",
		"https://app.example/?a=b#access_token=abc":          "https://app.example/?a=b#***",
		"/x?a=1;code=b&c=d;e":                                "/x?a=***&c=d;e",
		"/x?code=a;state=b&%zzcode=c&code=d&client_secret=e": "/x?code=***&%zzcode=***&code=***&client_secret=***",
	} {
		if got := logging.URL(in); got != want {
			t.Errorf("URL(%q) = %q, want %q", in, got, want)
		}
	}
}

func BenchmarkURL(b *testing.B) {
	for _, uri := range []string{"/api/auth/coder/health", "/api/auth/coder/oauth/callback?code=abc&state=def&env=development"} {
		b.Run(uri, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				logging.URL(uri)
			}
		})
	}
}
