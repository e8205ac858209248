package appconfig

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// addCases adds the files of the recorded cases whose names end in one of the extensions.
func addCases(f *testing.F, extensions ...string) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "cases", "*", "*.json"))
	if err != nil || len(names) == 0 {
		f.Fatal("no cases: ", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var c struct{ Files map[string]any }
		if err := json.Unmarshal(text, &c); err != nil {
			f.Fatal(err)
		}
		for file, content := range c.Files {
			for _, extension := range extensions {
				if text, ok := content.(string); ok && strings.HasSuffix(file, extension) {
					f.Add(text)
				}
			}
		}
	}
}

// FuzzParse parses any text as YAML: it must come to an end without a panic, tell a problem by a SyntaxError that
// names a line of the text, and what it makes must be writable and readable again.
func FuzzParse(f *testing.F) {
	addCases(f, ".yaml", ".yml", ".json")
	f.Fuzz(func(t *testing.T, text string) {
		value, err := ParseYAML([]byte(text))
		if err != nil {
			var problem *SyntaxError
			if !errors.As(err, &problem) {
				t.Fatalf("%T: %v", err, err)
			}
			if lines := strings.Count(text, "\n") + 1; problem.Line < 0 || problem.Line > lines+1 {
				t.Fatalf("line %d of %d: %v", problem.Line, lines, err)
			}
			return
		}
		again, err := ParseJSON(FormatJSON(value))
		if err != nil {
			t.Fatalf("%v\n%s", err, FormatJSON(value))
		}
		if got, want := string(FormatJSON(again)), string(FormatJSON(value)); got != want {
			t.Fatalf("written as %s, read as %s", want, got)
		}
	})
}

// FuzzSubstitute replaces variables in any text.
func FuzzSubstitute(f *testing.F) {
	for _, text := range []string{"${A}", "$${A}", "${A:-b}", "${${A}}", "$${${A}", "a${B:-}c", "${A", "${ A :- b }", "$$$${A}"} {
		f.Add(text, "v")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		tr := &transformer{environ: newEnviron([]string{"A=" + value})}
		out, used, ok := tr.substitute(text)
		if !strings.Contains(text, "${") && (out != text || !ok || used != nil) {
			t.Fatalf("%q became %q", text, out)
		}
		if !ok && len(tr.unset) == 0 && !strings.Contains(text, ":-") {
			t.Fatalf("%q is gone without a variable that is not set", text)
		}
		if len(out) > len(text)*(len(value)+1) {
			t.Fatalf("%q grew to %d bytes", text, len(out))
		}
	})
}

// FuzzEnviron makes a configuration of any variables.
func FuzzEnviron(f *testing.F) {
	f.Add("a_b", "1", "a", `{"b": null}`)
	f.Add("a", `[1, "x", {"y": 1e999}]`, "a_b", "x")
	f.Add("a-b_c:d", "text", "A1", `"\ud800"`)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		e := newEnviron([]string{envPrefix + name1 + "=" + value1, envPrefix + name2 + "=" + value2})
		data, err := e.config()
		if err != nil {
			if _, ok := errors.AsType[textError](err); !ok && !errors.Is(err, errDepth) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if data == nil {
			return
		}
		config := New(Layer{Name: "env", Data: data})
		for name, value := range e.values {
			key := strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", ".")
			if there, err := config.Has(key); value != "" && (err != nil || !there) {
				t.Fatalf("%s=%q is not there: %v", name, value, err)
			}
		}
	})
}
