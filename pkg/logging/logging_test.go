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
		log, redactor := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: json})
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
			log, redactor := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: json})
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

func TestLevelNamesInAnyCaseAndOfOtherLoggers(t *testing.T) {
	for want, names := range map[string]string{
		"":                      "silent off NONE",
		"error":                 "error ERROR err Severe crit critical fatal FATAL panic alert emerg emergency",
		"error warn":            "warn WARN Warning",
		"error warn info":       "info INFO Info Information informational notice http verbose",
		"error warn info debug": "debug Debug silly trace TRACE fine finer finest all",
	} {
		for name := range strings.FieldsSeq(names) {
			if got := written(name); got != want {
				t.Errorf("%q writes %q, want %q", name, got, want)
			}
		}
	}
	for _, name := range []string{"", " ", " info\n"} {
		if got := written(name); got != "error warn info" {
			t.Errorf("%q writes %q, want those of info", name, got)
		}
	}
}

// written returns the levels of the lines that are written at a level.
func written(level string) string {
	var out bytes.Buffer
	log, _ := logging.New(logging.Options{Output: zapcore.AddSync(&out), Level: level})
	log.Error("error")
	log.Warn("warn")
	log.Info("info")
	log.Debug("debug")
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Fields(line)[2])
	}
	return strings.Join(got, " ")
}

func TestUnknownLevelIsAWarningAndInfo(t *testing.T) {
	for _, level := range []string{"chatty", "30", "info,debug", "error warn", strings.Repeat("x", 1000)} {
		if got := written(level); got != "warn error warn info" {
			t.Errorf("%q writes %q, want a warning and the lines of info", level, got)
		}
		var out bytes.Buffer
		logging.New(logging.Options{Output: zapcore.AddSync(&out), Level: level, JSON: true})
		for _, want := range []string{"LOG_LEVEL", `"given":"` + level[:min(len(level), 64)] + `"`, "one of error, warn, info, http, verbose, debug, silly, silent"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the warning about %q lacks %q: %s", level, want, out.String())
			}
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
		"/x?a=1;code=b&c=d;e":                                "/x?a=1;code=***&c=d;e",
		"/x?code=a;state=b&%zzcode=c&code=d&client_secret=e": "/x?code=***&%zzcode=***&code=***&client_secret=***",
	} {
		if got := logging.URL(in); got != want {
			t.Errorf("URL(%q) = %q, want %q", in, got, want)
		}
	}
}

// What may be secret is struck out of a URL wherever it is, and however it is encoded.
func TestURLHoldsNoSecrets(t *testing.T) {
	for name := range strings.FieldsSeq("key sig auth otp jwt ticket pass pwd SAMLResponse SAMLRequest credential X-Amz-Credential bearer refresh refresh_token " +
		"apiKey access_key X-Goog-Signature id_token user_password passwd pin CSRF xsrf_token client_assertion RelayState co%64e co%2564e %6bey sid key[] MyAuth") {
		for form, uri := range map[string]string{
			"query": "/x?a=1&%s=S3cr3t&b=2", "path and query": "https://h.example/x?%s=S3cr3t", "semicolon": "/x?a=1;%s=S3cr3t", "matrix": "/x;a=1;%s=S3cr3t/y?b=2",
			"matrix encoded": "/x%%3B%s%%3DS3cr3t/y", "nested": "/x?returnTo=%%2Fcb%%3Fa%%3D1%%26%s%%3DS3cr3t&b=2", "nested twice": "/x?r=%%252Fcb%%253F%s%%253DS3cr3t",
			"nested in clear": "/x?r=/cb?%s=S3cr3t", "no name": "/x?%s%%3DS3cr3t", "fragment in a value": "/x?r=https%%3A%%2F%%2Fh%%23%s%%3DS3cr3t", "in a path": "/x/%s=S3cr3t/y",
			"encoded query": "/x%%3F%s%%3DS3cr3t",
		} {
			if got := logging.URL(fmt.Sprintf(uri, name)); strings.Contains(got, "S3cr3t") || !strings.Contains(got, "***") {
				t.Errorf("%s of %s: %s", form, name, got)
			}
		}
	}
	for _, uri := range []string{
		"/code/S3cr3t", "/x/token/S3cr3t/y", "/Code/S3cr3t?a=1", "/co%64e/S3cr3t", "/reset-password/S3cr3t", "/x?r=%2Fcode%2FS3cr3t", "/x?r=/otp/S3cr3t",
		"https://u:S3cr3t@h.example/x", "https://S3cr3t@h.example", "//u:S3cr3t@h.example/", "/proxy/https://u:S3cr3t@h.example/", "https://u:S3cr3t/x@h.example", "https://u:p@S3cr3t@h.example/", "https://u:p?S3cr3t@h.example/",
		"/cb%3Fcode%3D4/S3cr3t", "/cb?r=https://h.example/%3Fcode=a/S3cr3t", "//u:S3cr3t", "/x?r=%2525252Fcb%2525253Fkey%2525253DS3cr3t",
		"/x?r=https%3A%2F%2Fu%3AS3cr3t%40h.example", "/x?r=https://u:S3cr3t@h.example", "/x%2Fhttps:%2F%2Fu:S3cr3t%40h", "https://h/#S3cr3t", "/x?a=" + strings.Repeat("%25", 5) + "3Dcode%3DS3cr3t",
	} {
		if got := logging.URL(uri); strings.Contains(got, "S3cr3t") || !strings.Contains(got, "***") {
			t.Errorf("%s: %s", uri, got)
		}
	}
}

// What a URL has for those who look for a mistake stays, to the byte.
func TestURLKeepsTheRest(t *testing.T) {
	for _, uri := range []string{
		"/", "", "/api/auth/coder/refresh?env=production", "/api/auth/coder/start?scope=&origin=http%3A%2F%2Flocalhost%3A3000&flow=popup", "/oauth2/tokens", "/oauth2/token",
		"/x?author=me&design=1&monkeys=2&keyword=a+b&pins=3", "/x?redirectUrl=https%3A%2F%2Fapp.example%3A3000%2Fa%2Fb%3Fpage%3D2", "https://h.example:8443/a/b?c=%zz", "https://[::1]:3000/x",
		"/users/a@b.example/x", "/a//b///c", "/code", "/code/", "/encode/x", "/x?error=access_denied&error_description=no&error_uri=x", "//h.example/x", "/x;v=1/y;w=2", "*", "h.example:443",
	} {
		if got := logging.URL(uri); got != uri {
			t.Errorf("URL(%q) = %q", uri, got)
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
