package schema

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// TestRecorded replays random schemas and layers with the outcome that ../conformance/fuzz-schema.mjs recorded
// from the real @backstage/config-loader. UNDERSTUDY_SCHEMA_CASES names a further file of them.
func TestRecorded(t *testing.T) {
	t.Parallel()
	replay(t, filepath.Join("testdata", "recorded.jsonl"))
	if extra := os.Getenv("UNDERSTUDY_SCHEMA_CASES"); extra != "" {
		replay(t, extra)
	}
}

// replay runs the cases of a file, one a line.
func replay(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<22)
	n, unmergeable := 0, 0
	for failed := 0; lines.Scan(); {
		n++
		v, err := value.ParseJSON(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		diff, err := runRecorded(v.(*value.Object))
		if errors.As(err, new(*unmergeableError)) {
			unmergeable++
			continue
		}
		if diff != "" {
			if failed++; failed > 10 {
				t.Fatalf("%s: more than ten lines differ", file)
			}
			t.Errorf("%s:%d differs (-want +got):\n%s\n%s", file, n, diff, lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if unmergeable*20 > n {
		t.Errorf("%s: %d of %d sets of schemas cannot be merged, want at most 5 %%", file, unmergeable, n)
	}
	t.Logf("%s: %d cases replayed, %d of them not merged", file, n, unmergeable)
}

// runRecorded returns how the outcome of a case differs from the recorded one, and the error of compiling the schemas.
func runRecorded(c *value.Object) (diff string, err error) {
	var sources []Source
	for i, v := range get(c, "schemas").([]any) {
		name := "p" + string(rune('0'+i))
		sources = append(sources, Source{PackageName: name, Path: name, Value: value.FormatJSON(v)})
	}
	compile := Compile
	if options := get(c, "options").(*value.Object); options.Len() > 0 {
		compile = CompileStrict
	}
	got := &value.Object{}
	schema, err := compile(sources...)
	if err != nil {
		got.Set("error", err.Error())
	} else {
		var layers []appconfig.Layer
		for _, v := range get(c, "layers").([]any) {
			layer := v.(*value.Object)
			data, _ := layer.Get("data")
			layers = append(layers, appconfig.Layer{Name: get(layer, "context").(string), Data: data.(*value.Object)})
		}
		got.Set("processed", processAll(schema, appconfig.New(layers...)))
	}
	want := &value.Object{}
	for _, key := range []string{"error", "processed"} {
		if v, ok := c.Get(key); ok {
			want.Set(key, v)
		}
	}
	return cmp.Diff(string(value.IndentJSON(want)), string(value.IndentJSON(got))), err
}

func processAll(schema *Schema, config *appconfig.Config) []any {
	var outcomes []any
	for _, options := range []Options{
		{},
		{Visibility: []string{"frontend"}},
		{Visibility: []string{"secret"}},
		{Visibility: []string{"frontend", "backend"}},
		{Visibility: []string{"frontend", "backend", "secret"}, WithDeprecatedKeys: true},
	} {
		outcome := &value.Object{}
		layers, err := schema.Process(config, options)
		if err != nil {
			outcome.Set("error", err.Error())
			outcomes = append(outcomes, outcome)
			continue
		}
		var configs []any
		for _, layer := range layers {
			entry := &value.Object{}
			entry.Set("context", layer.Name)
			entry.Set("data", layer.Data)
			if options.WithDeprecatedKeys {
				keys := []any{}
				for _, d := range layer.DeprecatedKeys {
					key := &value.Object{}
					key.Set("key", d.Key)
					key.Set("description", d.Description)
					keys = append(keys, key)
				}
				entry.Set("deprecatedKeys", keys)
			}
			configs = append(configs, entry)
		}
		outcome.Set("configs", configs)
		outcomes = append(outcomes, outcome)
	}
	return outcomes
}

// get returns what object has under key.
func get(object *value.Object, key string) any {
	v, _ := object.Get(key)
	return v
}
