package logging_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/logging"
)

// A secret is found in whatever way a program, a browser or a client may have encoded it. Of base64, at most a character
// at each end stays, which holds a part of a byte.
func TestRedactorFindsEncodedSecrets(t *testing.T) {
	component := strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")
	for _, secret := range []string{
		"hunter2-Canary", "with blanks!'()*~", `quo"ted\<&>`, "sl/ash+plus=equals?&#", "päss wörd", "12345", "two\nlines of it", strings.Repeat("long-", 40), "-_.~-_.~",
	} {
		lower := func(s string) string {
			return strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3D", "%3d", "%3F", "%3f", "%C3", "%c3", "%A4", "%a4", "%B6", "%b6", "%5C", "%5c", "%3C", "%3c", "%3E", "%3e", "%0A", "%0a").Replace(s)
		}
		asJSON, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		whole := map[string]string{
			"plain": secret, "QueryEscape": url.QueryEscape(secret), "PathEscape": url.PathEscape(secret), "encodeURIComponent": component.Replace(url.QueryEscape(secret)),
			"a form": url.Values{"x": {secret}}.Encode()[2:], "lower case": lower(url.QueryEscape(secret)), "lower component": lower(component.Replace(url.QueryEscape(secret))),
			"JSON": string(asJSON[1 : len(asJSON)-1]), "Go": strconv.Quote(secret)[1 : len(strconv.Quote(secret))-1], "ASCII": strconv.QuoteToASCII(secret)[1 : len(strconv.QuoteToASCII(secret))-1],
			"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "raw base64": base64.RawStdEncoding.EncodeToString([]byte(secret)),
			"base64url": base64.URLEncoding.EncodeToString([]byte(secret)), "raw base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)),
			"base64 in a URL": url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(secret))), "shown": logging.Shown(secret, 10000),
		}
		for name, form := range whole {
			for _, asJSON := range []bool{true, false} {
				if got := logged(t, asJSON, secret, form); strings.Count(got, "[***]") != 2 {
					t.Errorf("%q, %s, json=%v: %s", secret, name, asJSON, got)
				}
			}
		}
		for before := range 7 {
			for after := range 4 {
				text := strings.Repeat("x", before) + secret + strings.Repeat("y", after)
				for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
					form := encoding.EncodeToString([]byte(text))
					got := logged(t, true, secret, form)
					kept := len(form) - len(base64.RawStdEncoding.EncodeToString([]byte(secret)))
					message := got[strings.Index(got, "[")+1 : strings.Index(got, "]")]
					if !strings.Contains(message, "***") || len(message)-3 > kept+3 {
						t.Errorf("%q: %s stays as %s", text, form, message)
					}
				}
			}
		}
		basic := base64.StdEncoding.EncodeToString([]byte("client:" + url.QueryEscape(secret)))
		if got := logged(t, true, secret, "Basic "+basic); !strings.Contains(got, "***") {
			t.Errorf("%q: credentials stay: %s", secret, got)
		}
	}
}

// logged returns the entry for text in brackets, as message and as field, if secret is one.
func logged(t *testing.T, asJSON bool, secret, text string) string {
	t.Helper()
	var out bytes.Buffer
	log, redactor := logging.New(logging.Options{Output: zapcore.AddSync(&out), JSON: asJSON})
	redactor.SetSecrets([]string{secret})
	log.Info("["+text+"]", zap.String("field", "["+text+"]"))
	return out.String()
}

// Words that only look like a part of an encoded secret stay, also if the secret is short.
func TestRedactorLeavesOtherWords(t *testing.T) {
	const text = "the cat sat on a canary: https://app.example/api/auth/coder/refresh?env=development Failed to read config YWJj application/json " +
		"c2ltcGxl Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 SGVsbG8gd29ybGQ= /node_modules/@backstage/plugin-auth-backend"
	for _, secret := range []string{"s3cr3t-canary", "abcd", "pass", "word", "admin", "1234", "four", "äö", "    ab", "\xff\xfe\xfd\xfc"} {
		if got := logged(t, true, secret, text); strings.Contains(got, "***") {
			t.Errorf("%q is struck out of %s", secret, got)
		}
	}
}

func BenchmarkRedactor(b *testing.B) {
	log, redactor := logging.New(logging.Options{Output: zapcore.AddSync(new(discard)), JSON: true})
	var secrets []string
	for i := range 50 {
		secrets = append(secrets, fmt.Sprintf("secret number %d of the configuration", i))
	}
	redactor.SetSecrets(secrets)
	b.ReportAllocs()
	for b.Loop() {
		log.Info("a message of the usual length, about what a plugin has done", zap.String("url", "/api/auth/coder/start"), zap.Int("status", 200))
	}
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }

func TestRedactorFindsCredentialsWithoutTheirScheme(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"Bearer hunter2-Canary", "basic hunter2-Canary", "token  hunter2-Canary"} {
		if got := logged(t, true, secret, "hunter2-Canary"); strings.Contains(got, "Canary") {
			t.Errorf("%s: %s", secret, got)
		}
	}
	for _, secret := range []string{"two words", "Bearer ab"} {
		if got := logged(t, true, secret, "words ab"); !strings.Contains(got, "words ab") {
			t.Errorf("%s: %s", secret, got)
		}
	}
}
