package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

const (
	canary      = "S3cr3tCanary"
	placeholder = "put the canary here"
)

// broken stand in the place of a value and keep the configuration from being loaded, or at that place.
var broken = []string{
	`*S3cr3tCanary`, `!S3cr3tCanary!x a`, `"S3cr3tCanary`, `"S3cr3tCanary\q"`, `{ $env: "${PASSWORD}", a: 1 }`, `{ $file: "https://u:S3cr3tCanary@h.example/x" }`, `{ $file: "${PASSWORD}" }`,
	`{ $file: "/dev/null/${PASSWORD}/${NOT_SET:-x}" }`, `{ $include: "https://u:S3cr3tCanary@h.example/x.yaml?token=S3cr3tCanary" }`, `{ $include: "${PASSWORD}.yaml" }`, `{ $include: "${PASSWORD}" }`,
	`{ $include: "secret.json#a" }`, `{ $include: "broken.yaml" }`, `{ $include: "part.yaml#a" }`,
}

// types stand in the place of a value, which may have to be of another type. ways are other ways to write the first.
var (
	types = []string{`"S3cr3tCanary"`, `["S3cr3tCanary"]`, `{"a": "S3cr3tCanary"}`}
	ways  = []string{`"${PASSWORD}"`, `"${NOT_SET:-S3cr3tCanary}"`, `"${PASSWORD}${NOT_SET}"`, `{ $env: PASSWORD }`, `{ $file: secret.json }`, `{ $include: secret.json }`}
)

// secretForms are values that config:print masks whatever their key is.
var secretForms = []string{
	`"https://u:S3cr3tCanary@h.example/x"`, `"https://u:S3cr3tCanary/x@:x"`, `"postgresql://u:S3cr3tCanary@h.example:5432/x"`, `"https://h.example/x?access_token=S3cr3tCanary"`,
	`"u:S3cr3tCanary@h.example"`, `"glpat-S3cr3tCanary"`, `"Bearer S3cr3tCanary"`, `"-----BEGIN PRIVATE KEY-----\nS3cr3tCanary"`, `"Server=db;Password=S3cr3tCanary"`,
}

// No secret that somebody wrote into a configuration, at whatever place, is shown: by an error at the start, the log, a
// page, config:check or config:print.
func TestCanaryAtEveryPlaceOfAConfigIsShownNowhere(t *testing.T) {
	t.Setenv("PASSWORD", canary)
	dir := t.TempDir()
	path := filepath.Join(dir, "app-config.yaml")
	write(t, filepath.Join(dir, "secret.json"), `"S3cr3tCanary"`)
	write(t, filepath.Join(dir, "broken.yaml"), "a: S3cr3tCanary\n b: *S3cr3tCanary")
	write(t, filepath.Join(dir, "part.yaml"), "a: [S3cr3tCanary")
	text, err := os.ReadFile("testdata/portal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := yaml.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	replaceScalars(root, "", func(key string, _ any) any { places = append(places, key); return nil })
	if len(places) < 120 {
		t.Fatalf("%d places", len(places))
	}
	put := func(text string, there func(place string) bool) {
		data := replaceScalars(root, "", func(key string, v any) any {
			if there(key) {
				return placeholder
			}
			return v
		})
		write(t, path, strings.ReplaceAll(string(value.FormatJSON(data)), `"`+placeholder+`"`, text))
	}
	put("", func(string) bool { return false })
	if out := runHost(t, path, false); !strings.Contains(out, "listening") {
		t.Fatalf("the host does not start: %s", out)
	}
	for i, place := range places {
		at := func(key string) bool { return key == place }
		for _, text := range []string{broken[i%len(broken)], broken[(i/len(broken)+i+1)%len(broken)]} {
			put(text, at)
			if _, err := appconfig.Load(t.Context(), canaryHost(path, nil).Config); err == nil {
				t.Errorf("%s is %s: no error", place, text)
			} else {
				noCanary(t, place+" is "+text+": error", err.Error())
			}
		}
		if !declared(place) {
			continue // nobody looks at the value, and it cannot be wrong: below
		}
		for k, text := range []string{types[0], types[1+i%2], ways[i%len(ways)], secretForms[0], secretForms[i%len(secretForms)]} {
			put(text, at)
			where := place + " is " + text + ": "
			noCanary(t, where+"config:check", runCommand(t, "config:check", "--strict", "--config", path))
			if slices.Contains(secretForms, text) || named.MatchString(place) {
				noCanary(t, where+"config:print", runCommand(t, "config:print", "--config", path))
			}
			if k != i%5 && k != 3 {
				continue // a start takes long: each place has two of the five
			}
			if place != "backend.listen.host" || slices.Contains(secretForms, text) { // any other name is looked up, and part of the error
				noCanary(t, where+"host", runHost(t, path, public(place)))
			}
		}
	}
	for _, text := range slices.Concat(secretForms, types, ways) {
		put(text, func(place string) bool {
			return !declared(place) && (slices.Contains(secretForms, text) || named.MatchString(place))
		})
		for _, flag := range []string{"--format=yaml", "--format=json", "--origin", "--frontend"} {
			out := runCommand(t, "config:print", flag, "--config", path)
			if strings.HasPrefix(out, "error: ") {
				t.Errorf("%s: %s", text, out)
			}
			noCanary(t, text+": config:print "+flag, out)
		}
		noCanary(t, text+": host", runHost(t, path, false))
	}
}

// declared reports whether the host or a plugin here reads a value.
func declared(place string) bool {
	section, _, _ := strings.Cut(place, ".")
	return slices.Contains([]string{"app", "backend", "auth", "coder", "understudy"}, section)
}

// named matches a place whose key says that its value is secret.
var named = regexp.MustCompile(`(?i)(?:secret|token|password|apikey|privatekey|accesskey|accesskeyid|keys|authorization|x-api-key)[][0-9]*$`)

// public reports whether a value is shown to users as it is: it is part of a page or of an address in it.
func public(place string) bool {
	return strings.HasSuffix(place, "clientId") || strings.Contains(place, "additionalScopes") || place == "app.title" || strings.HasPrefix(place, "backend.c") ||
		strings.HasPrefix(place, "backend.referrer")
}

// replaceScalars returns a copy of v with other scalars.
func replaceScalars(v any, key string, replace func(key string, v any) any) any {
	switch v := v.(type) {
	case *value.Object:
		out := &value.Object{}
		for name, item := range v.All() {
			out.Set(name, replaceScalars(item, strings.TrimPrefix(key+"."+name, "."), replace))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = replaceScalars(item, fmt.Sprintf("%s[%d]", key, i), replace)
		}
		return out
	}
	return replace(key, v)
}

func noCanary(t *testing.T, where, text string) {
	t.Helper()
	if i := strings.Index(text, canary); i >= 0 {
		t.Errorf("%s shows the canary: …%s…", where, text[max(0, i-200):min(len(text), i+100)])
	}
}

// runCommand returns all that a command writes, and its error first.
func runCommand(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	root := &cobra.Command{Use: "understudy", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringArray("config", nil, "")
	root.AddCommand(configCommands(canaryHost("", nil).Schemas())...)
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	if err := root.ExecuteContext(t.Context()); err != nil {
		return "error: " + err.Error() + "\n" + out.String()
	}
	return out.String()
}

func canaryHost(path string, log io.Writer) host.Options {
	return host.Options{
		Plugins: []plugin.Plugin{coder.Plugin()}, Extensions: []plugin.Extension{sandbox.Extension()}, Log: log,
		Config: appconfig.Options{Targets: []string{path}, Environ: []string{"PASSWORD=" + canary, "LOG_LEVEL=debug"}},
	}
}

// runHost returns what a host logs, its error, and its answers except if they are allowed to show the value.
func runHost(t *testing.T, path string, shown bool) string {
	t.Helper()
	log := new(plugintest.Log)
	h := host.New(canaryHost(path, log))
	if err := h.Open(t.Context()); err != nil {
		return err.Error() + log.String()
	}
	var answers strings.Builder
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/", "/api/auth/coder/start?env=development&origin=http://localhost:3000", "/api/auth/coder/refresh?env=development", "/api/auth/coder/oauth/callback?code=a&state=b"} {
		answer, err := client.Get(h.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !shown {
			fmt.Fprintln(&answers, answer.Header, string(body))
		}
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	return answers.String() + log.String()
}
