package appconfig_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// load writes files to a new folder and loads their configuration.
func load(t *testing.T, files map[string]string, environ ...string) (*appconfig.Config, string, error) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	config, err := appconfig.Load(t.Context(), appconfig.Options{RootDir: dir, Environ: environ})
	return config, dir, err
}

func mustLoad(t *testing.T, files map[string]string, environ ...string) (*appconfig.Config, string) {
	t.Helper()
	config, dir, err := load(t, files, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return config, dir
}

func TestOriginOfEveryValue(t *testing.T) {
	t.Parallel()
	config, dir := mustLoad(t, map[string]string{
		"app-config.yaml": `a: 1
b:
  c: [x, { d: true }]
  e: pre-${V}-post
  f: { $env: V }
  g: { $file: part/secret.txt }
h: { $include: part/part.yaml }
i: { $include: 'part/part.json#n' }
j: { $include: 'part/part.yaml#text' }
k: &k {l: 1}
m: *k
empty: []
hidden: 1
`,
		"app-config.local.yaml": "\nhidden:\n  2\n",
		"part/secret.txt":       "s\n",
		"part/part.yaml":        "\ntext: ${V}\nmore: { $file: secret.txt }\n",
		"part/part.json":        "{\n\"n\": {\n\"o\": 1}}",
	}, "V=v", "APP_CONFIG_p_q=1", `APP_CONFIG_r={"s": [1]}`)
	values, err := config.Located()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, value := range values {
		got = append(got, fmt.Sprintf("%s=%v %s", value.Key, value.Value,
			strings.ReplaceAll(value.Origin.String(), dir+string(filepath.Separator), "")))
	}
	want := []string{
		"p.q=1 APP_CONFIG_p_q",
		"r.s[0]=1 APP_CONFIG_r",
		"hidden=2 app-config.local.yaml:3",
		"a=1 app-config.yaml:1",
		"b.c[0]=x app-config.yaml:3",
		"b.c[1].d=true app-config.yaml:3",
		"b.e=pre-v-post app-config.yaml:4 ($V)",
		"b.f=v app-config.yaml:5 ($V)",
		"b.g=s part/secret.txt:1, included at app-config.yaml:6",
		"h.text=v part/part.yaml:2 ($V), included at app-config.yaml:7",
		"h.more=s part/secret.txt:1, included at part/part.yaml:3, included at app-config.yaml:7",
		"i.o=1 part/part.json:3, included at app-config.yaml:8",
		"j=v part/part.yaml:2 ($V), included at app-config.yaml:9",
		"k.l=1 app-config.yaml:10",
		"m.l=1 app-config.yaml:10",
		"empty=[] app-config.yaml:12",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUnsetVariablesAndTheKeysThatVanish(t *testing.T) {
	t.Parallel()
	config, _ := mustLoad(t, map[string]string{
		"app-config.yaml": `a: ${A}
b: [x, '${A}/${B}', { c: '${C}' }]
d: { $env: D }
optional: ${OPTIONAL:-}
twice: ${E:-x}${E}${E}
below: default
above: ${ABOVE}
routes: { /above: '${ABOVE}', /missing: '${MISSING}' }
array: ['${ARRAY}']
p: ${PORT:7008}
q: ${PORT:=7008}
r: ${PORT:?needed}
s: ${PORT-7008}
t: ${ PORT | 7008 }
both: ${LOW}
`,
		"app-config.local.yaml": "below: ${BELOW}\nabove: 1\nroutes: { /above: 1 }\narray: [1]\nboth: ${HIGH}\n",
	})
	const hint = "a default is written with ':-', as in ${PORT:-default}"
	want := []appconfig.Unset{
		{Names: []string{"A"}, Keys: []string{"a"}},
		{Names: []string{"A", "B"}, Keys: []string{"b[1]"}},
		{Names: []string{"C"}, Keys: []string{"b[2].c"}},
		{Names: []string{"D"}, Keys: []string{"d"}},
		{Names: []string{"E"}, Keys: []string{"twice"}},
		{Names: []string{"MISSING"}, Keys: []string{"routes./missing"}},
		{Names: []string{"PORT"}, Keys: []string{"p", "q", "r", "s", "t"}, Hint: hint},
		{Names: []string{"HIGH"}, Keys: []string{"both"}},
	}
	if diff := cmp.Diff(want, config.Unset()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadRefusesWhatWouldNotEnd(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	bomb := map[string]string{"app-config.yaml": "a: { $include: 0.yaml }\n"}
	for i := range 30 {
		bomb[fmt.Sprintf("%d.yaml", i)] = fmt.Sprintf("a: { $include: %d.yaml }\nb: { $include: %d.yaml }\n", i+1, i+1)
	}
	bomb["30.yaml"] = "x: 1\n"
	heavy := map[string]string{"app-config.yaml": "a:" + strings.Repeat("\n- { $file: big }", 20), "big": strings.Repeat("x", 1<<20)}
	aliases := map[string]string{
		"app-config.yaml": "a:" + strings.Repeat("\n- { $include: part.yaml }", 12),
		"part.yaml":       "a: &a [" + strings.Repeat("1,", 300) + "]\nb: [" + strings.Repeat("*a,", 300) + "]\n",
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"aliases in includes": {aliases, "more than 1000000 values"},
		"aliases of a long string": {
			map[string]string{"app-config.yaml": "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 20) + "]\n"},
			"or 16777216 bytes, with aliases followed",
		},
		"a file that includes itself": {
			map[string]string{"app-config.yaml": "a: { $include: app-config.yaml }\n"}, "includes itself",
		},
		"files that include each other": {
			map[string]string{
				"app-config.yaml": "a: { $include: one.yaml }\n",
				"one.yaml":        "b: { $include: two.yaml }\n", "two.yaml": "c: { $include: 'one.yaml#b' }\nd: { $include: one.yaml }\n",
			}, "includes itself",
		},
		"includes that add up":     {heavy, "more than 16777216 bytes are included"},
		"includes that double":     {bomb, "more than 1000 includes"},
		"deep flow collections":    {map[string]string{"app-config.yaml": "a: " + deep + "\n"}, "nested more than 500 deep"},
		"deep block collections":   {map[string]string{"app-config.yaml": strings.Repeat("- ", 10_000) + "a\n"}, "deep"},
		"deep JSON":                {map[string]string{"app-config.yaml": "a: { $include: a.json }\n", "a.json": deep}, "deep"},
		"an alias within itself":   {map[string]string{"app-config.yaml": "a: &a [*a]\n"}, "at line 1"},
		"a huge file":              {map[string]string{"app-config.yaml": "a: " + strings.Repeat("x", 20<<20)}, "larger than"},
		"a huge included file":     {map[string]string{"app-config.yaml": "a: { $file: a }\n", "a": strings.Repeat("x", 20<<20)}, "larger than"},
		"as many values as fit in": {map[string]string{"app-config.yaml": "a: [" + strings.Repeat("1,", 110_000) + "]"}, "values"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, c.files)
			if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1000 {
				t.Errorf("got %.1000v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestRemoteDocument(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   string // the value of a, or the end of the error
	}{
		"data":         {200, "a: ${V}\n", "v"},
		"no include":   {200, "a: { $env: V }\n", "Invalid type in config for key 'a' in 'NAME', got object, wanted string"},
		"empty":        {200, "", "Failed to read config from NAME, configuration data is null"},
		"array":        {200, "[]", "Failed to read config from NAME, expected object at config root"},
		"missing":      {404, "a: 1", "Failed to read config from NAME, Request failed with 404 Not Found"},
		"not YAML":     {200, "\na: [", `Failed to parse "NAME", did not find expected node content at line 2, column 5`},
		"more than is": {200, "a: " + strings.Repeat("x", 5<<20), "Failed to read config from NAME, larger than 2097152 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			config, err := appconfig.Load(t.Context(), appconfig.Options{
				Targets: []string{server.URL + "/x.yaml?token=secret"}, Environ: []string{"V=v"}, Client: server.Client(),
			})
			got := ""
			if err == nil {
				got, err = config.GetString("a")
			}
			if err != nil {
				got = strings.ReplaceAll(err.Error(), server.URL+"/x.yaml", "NAME")
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestErrorsCanBeTold(t *testing.T) {
	t.Parallel()
	config, dir := mustLoad(t, map[string]string{"app-config.yaml": "a: { b: x, t: 1 }\n"})
	part, err := config.GetConfig("a")
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{part.LayerOf("t"), part.LayerOf("nope"), part.LayerOf("t.x")}; !cmp.Equal(got, []string{"app-config.yaml", "", ""}) {
		t.Errorf("layers: %q", got)
	}
	_, err = part.GetString("nope")
	if missing := (*appconfig.MissingError)(nil); !errors.As(err, &missing) || missing.Key != "a.nope" || missing.Layer != "app-config.yaml" {
		t.Errorf("got %#v", err)
	}
	_, err = part.GetString("t")
	if wrong := (*appconfig.TypeError)(nil); !errors.As(err, &wrong) || wrong.Got != "number" || wrong.Wanted != "string" {
		t.Errorf("got %#v", err)
	}
	_, err = part.GetNumber("b")
	if convert := (*appconfig.ConvertError)(nil); !errors.As(err, &convert) || strings.Contains(err.Error(), "x'") {
		t.Errorf("got %#v", err)
	}
	_, err = part.GetNumber("b..c")
	if invalid := (*appconfig.InvalidKeyError)(nil); !errors.As(err, &invalid) {
		t.Errorf("got %#v", err)
	}
	_, _, err = load(t, nil)
	if missing := (*appconfig.NotFoundError)(nil); !errors.As(err, &missing) {
		t.Errorf("got %#v", err)
	}
	write(t, filepath.Join(dir, "app-config.local.yaml"), "a: { $include: part.yaml }\n")
	write(t, filepath.Join(dir, "part.yaml"), "x: 1\ny: 'z\n")
	_, err = appconfig.Load(t.Context(), appconfig.Options{RootDir: dir})
	syntax, whole := (*value.SyntaxError)(nil), (*appconfig.LoadError)(nil)
	if !errors.As(err, &whole) || !errors.As(err, &syntax) || syntax.Path != filepath.Join(dir, "part.yaml") {
		t.Errorf("got %#v", err)
	}
}

func TestChangedNamesTheKeysOfMergedValues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after, local string
		want                 []string
	}{
		"nothing":               {"a: 1\nb: {c: 2}\n", "b: {c: 1}\n", "a: 1\nb: {c: 2}\n", nil},
		"a value":               {"a: 1\nb: {c: 2, d: 3}\n", "a: 1\nb: {c: 2, d: 4}\n", "", []string{"b.d"}},
		"of a lower layer":      {"a: 1\n", "a: 2\n", "a: 1\n", nil},
		"new and gone":          {"a: 1\nb: {c: 2}\n", "d: 1\nb: {e: 2}\n", "", []string{"d", "b.e", "b.c", "a"}},
		"an object comes":       {"a: 1\n", "a: 1\nb: {c: {d: 1, e: 2}, f: {}}\n", "", []string{"b.c.d", "b.c.e", "b.f"}},
		"an object goes":        {"a: 1\nb: {c: {d: 1}, f: {}}\n", "a: 1\n", "", []string{"b.c.d", "b.f"}},
		"null is nothing":       {"a: 1\n", "a: 1\nb: ~\n", "", nil},
		"an object for a value": {"a: 1\n", "a: {b: 1}\n", "", []string{"a"}},
		"a value for an object": {"a: {b: 1}\n", "a: text\n", "", []string{"a"}},
		"an object is emptied":  {"a: {b: 1}\nc: 1\n", "a: {}\nc: 1\n", "", []string{"a.b"}},
		"an array":              {"a: [{b: 1}, 2]\n", "a: [{b: 2}, 2]\n", "", []string{"a"}},
		"a type":                {"a: 1\n", "a: '1'\n", "", []string{"a"}},
	} {
		files := map[string]string{"app-config.yaml": test.after}
		if test.local != "" {
			files["app-config.local.yaml"] = test.local
		}
		before, _ := mustLoad(t, map[string]string{"app-config.yaml": test.before})
		after, _ := mustLoad(t, files)
		if got := appconfig.Changed(before, after); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
