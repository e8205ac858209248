package logging_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/logging"
)

func TestServerErrorsHaveALevel(t *testing.T) {
	for line, want := range map[string]struct{ level, error, stack string }{
		"http: TLS handshake error from 127.0.0.1:4711: EOF": {"debug", "http: TLS handshake error from 127.0.0.1:4711: EOF", ""},
		"http: proxy error: context canceled":                {"debug", "http: proxy error: context canceled", ""},
		"http: superfluous response.WriteHeader call from x": {"warn", "http: superfluous response.WriteHeader call from x", ""},
		"http: Accept error: too many open files; retrying":  {"warn", "http: Accept error: too many open files; retrying", ""},
		"http: panic serving 127.0.0.1:4711: a\ngoroutine b: context canceled\ngoroutine 7 [running]:\nmain.main()": {
			"error", "http: panic serving 127.0.0.1:4711: a\ngoroutine b: context canceled", "goroutine 7 [running]:\nmain.main()",
		},
	} {
		var out bytes.Buffer
		log, _ := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: true, Level: "debug"})
		logging.ServerErrors(log).Print(line)
		got := struct{ Level, Message, Error, Stack string }{}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(struct{ Level, Message, Error, Stack string }{want.level, "HTTP server error", want.error, want.stack}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
	}
}

func TestNamesAndStacksShow(t *testing.T) {
	const secret = "s3cret-value"
	for _, asJSON := range []bool{true, false} {
		var out bytes.Buffer
		log, redactor := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: asJSON})
		redactor.SetSecrets([]string{secret, "logging_test.TestNames"})
		func() {
			defer func() {
				logging.Recovered(log.Named("plugin").Named("db"), "handler panicked", recover(), zap.String("url", "/a\nforged line"))
			}()
			panic("no database at " + secret + "\nforged line")
		}()
		got := out.String()
		var stack string
		if asJSON {
			entry := struct{ Logger, Panic, URL, Stack string }{}
			if err := json.Unmarshal(out.Bytes(), &entry); err != nil {
				t.Fatal(err)
			}
			stack, entry.Stack = entry.Stack, ""
			want := struct{ Logger, Panic, URL, Stack string }{"plugin.db", "no database at ***\nforged line", "/a\nforged line", ""}
			if diff := cmp.Diff(want, entry); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		} else {
			var line string
			line, stack, _ = strings.Cut(got, "\n")
			if !strings.HasSuffix(line, ` error handler panicked logger="plugin.db" url="/a\nforged line" panic="no database at ***\nforged line"`) {
				t.Errorf("line %s", line)
			}
		}
		// The stack has the function that panicked, with its file on a separate line, and no secret.
		if !strings.Contains(stack, "***AndStacksShow.func1\n\t") || strings.Contains(stack, "forged") || strings.Contains(got, "s3cret") {
			t.Errorf("json=%v: stack %s", asJSON, stack)
		}
	}
}
