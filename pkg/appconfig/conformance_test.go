package appconfig_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// TestConformance loads and reads every recorded case and compares the outcome with that of the real
// @backstage/config-loader. UNDERSTUDY_CASES names another folder of cases. testdata/deviations.json lists what
// differs on purpose. A listed case that does not differ fails the test.
func TestConformance(t *testing.T) {
	listed := readDeviations(t)
	cases := readCases(t, filepath.Join("testdata", "cases"))
	unknown, others := map[string]bool{}, 0
	for _, kind := range listed {
		for _, name := range kind.Cases {
			unknown[name] = true
			if !kind.Taken && !kind.Decided {
				others++
			}
		}
	}
	if others*20 >= len(cases) {
		t.Errorf("%d of %d cases are listed as deviations, want less than 5 %%", others, len(cases))
	}
	if len(unknown)*12 >= len(cases) {
		t.Errorf("%d of %d cases are listed as deviations of any kind, want less than one in twelve", len(unknown), len(cases))
	}
	for _, c := range cases {
		delete(unknown, c.path)
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			diff := runCase(t, c)
			reason := listed.reason(c, diff, false)
			switch {
			case diff == "" && reason != "":
				t.Errorf("listed as a deviation (%s), but it passes", reason)
			case diff != "" && reason != "":
				t.Skipf("differs on purpose: %s", reason)
			case diff != "":
				t.Errorf("%s\n(-want +got):\n%s", c.Why, diff)
			}
		})
	}
	for name := range unknown {
		t.Errorf("listed as a deviation, but there is no such case: %s", name)
	}
	extra := os.Getenv("UNDERSTUDY_CASES")
	if extra == "" {
		return
	}
	for _, c := range readCases(t, extra) {
		t.Run("extra/"+c.path, func(t *testing.T) {
			t.Parallel()
			if diff := runCase(t, c); diff != "" {
				if reason := listed.reason(c, diff, true); reason != "" {
					t.Skipf("differs on purpose: %s", reason)
				}
				t.Errorf("%s\n(-want +got):\n%s", c.Why, diff)
			}
		})
	}
}

// conformanceCase is a recorded case. testdata/README.md describes the format.
type conformanceCase struct {
	path string // within its folder, with slashes, without .json

	Name                      string
	Why                       string
	Files                     map[string]json.RawMessage
	Argv                      []string
	Env                       json.RawMessage
	Cwd                       string
	Reads                     []read
	AllowMissingDefaultConfig bool
	Schema                    json.RawMessage
	SchemaOptions             json.RawMessage
	Process                   json.RawMessage
	NodeText                  bool
	Expect                    json.RawMessage
}

type read struct {
	Call string
	Key  *string
	Then []read
}

func readCases(t *testing.T, folder string) (cases []conformanceCase) {
	t.Helper()
	add := func(path string, text []byte) {
		c := conformanceCase{path: path}
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatalf("case %s: %v", path, err)
		}
		cases = append(cases, c)
	}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".json":
			add(strings.TrimSuffix(filepath.ToSlash(relative), ".json"), text)
		case ".jsonl":
			for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
				add(fmt.Sprintf("%s/%d", filepath.Base(path), i+1), line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// runCase returns how the outcome of a case differs from the recorded one.
func runCase(t *testing.T, c conformanceCase) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fill := func(text string) string { return strings.ReplaceAll(text, "<ROOT>", root) }
	for name, content := range c.Files {
		writeCaseFile(t, filepath.Join(root, name), content, fill)
	}
	dir := filepath.Join(root, c.Cwd)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	options := appconfig.Options{
		RootDir: root, Dir: dir, LocalOnly: true,
		AllowMissingDefault: c.AllowMissingDefaultConfig,
	}
	var args []string
	for _, arg := range c.Argv {
		args = append(args, fill(arg))
	}
	env, _ := decodeOrdered(t, c.Env).(*value.Object)
	for _, name := range env.Keys() {
		v, _ := env.Get(name)
		options.Environ = append(options.Environ, name+"="+fill(v.(string)))
	}

	want, _ := decodeOrdered(t, c.Expect).(*value.Object)
	got := &value.Object{}
	config, err := loadArgs(options, args)
	wantError, failed := want.Get("error")
	switch {
	case err != nil && failed:
		return diffErrors(wantError.(string), strings.ReplaceAll(err.Error(), root, "<ROOT>"), err)
	case err != nil:
		return fmt.Sprintf("+ load error: %v", err)
	case failed:
		return refusedThere + fmt.Sprint(wantError)
	}
	data, _, err := config.GetOptional("")
	if err != nil {
		t.Fatal(err)
	}
	got.Set("data", encode(data))
	contexts := []any{}
	for _, layer := range config.Layers() {
		contexts = append(contexts, layer.Name)
	}
	got.Set("contexts", contexts)
	got.Set("reads", perform(config, c.Reads))
	if c.Schema != nil {
		recorded, _ := want.Get("schema")
		want.Set("schema", withoutKey(recorded, "filteredKeys")) // Schema.Process does not list them
		got.Set("schema", runSchema(t, c, config))
	}
	return cmp.Diff(indent(t, want), strings.ReplaceAll(indent(t, got), root, "<ROOT>"))
}

// loadArgs loads the configuration that a command line names.
func loadArgs(options appconfig.Options, args []string) (config *appconfig.Config, err error) {
	if options.Targets, err = appconfig.TargetsFromArgs(args); err != nil {
		return nil, err
	}
	return appconfig.Load(context.Background(), options)
}

func writeCaseFile(t *testing.T, path string, content json.RawMessage, fill func(string) string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var text string
	var bytes []byte
	if err := json.Unmarshal(content, &text); err == nil {
		bytes = []byte(fill(text))
	} else {
		var binary struct{ Base64 string }
		if err := json.Unmarshal(content, &binary); err != nil {
			t.Fatal(err)
		}
		if bytes, err = base64.StdEncoding.DecodeString(binary.Base64); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, bytes, 0o644); err != nil {
		t.Fatal(err)
	}
}

// encode writes numbers that JSON does not have as the recorder does.
func encode(v any) any {
	switch v := v.(type) {
	case float64:
		text := ""
		switch {
		case math.IsNaN(v):
			text = "NaN"
		case math.IsInf(v, 1):
			text = "Infinity"
		case math.IsInf(v, -1):
			text = "-Infinity"
		case v == 0 && math.Signbit(v):
			text = "-0"
		default:
			return v
		}
		marker := &value.Object{}
		marker.Set("$number", text)
		return marker
	case []any:
		items := []any{}
		for _, item := range v {
			items = append(items, encode(item))
		}
		return items
	case *value.Object:
		object := &value.Object{}
		for _, key := range v.Keys() {
			item, _ := v.Get(key)
			object.Set(key, encode(item))
		}
		return object
	}
	return v
}

// decodeOrdered reads JSON with its keys in order.
func decodeOrdered(t *testing.T, text json.RawMessage) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	var v func() any
	v = func() any {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch token {
		case json.Delim('{'):
			object := &value.Object{}
			for decoder.More() {
				key, err := decoder.Token()
				if err != nil {
					t.Fatal(err)
				}
				object.Set(key.(string), v())
			}
			_, _ = decoder.Token()
			return object
		case json.Delim('['):
			array := []any{}
			for decoder.More() {
				array = append(array, v())
			}
			_, _ = decoder.Token()
			return array
		}
		return token
	}
	return v()
}

func indent(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
