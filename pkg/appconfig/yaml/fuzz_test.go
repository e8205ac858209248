package yaml_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

// addCases adds the files of the recorded cases whose names end in one of the extensions.
func addCases(f *testing.F, extensions ...string) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("..", "testdata", "cases", "*", "*.json"))
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

// FuzzParse parses any text as YAML. It must end without a panic, report a problem as a SyntaxError at a position in
// the text, and return a value that can be written and read again.
func FuzzParse(f *testing.F) {
	addCases(f, ".yaml", ".yml", ".json")
	f.Fuzz(func(t *testing.T, text string) {
		made, err := yaml.Parse([]byte(text))
		if err != nil {
			var problem *value.SyntaxError
			if !errors.As(err, &problem) {
				t.Fatalf("%T: %v", err, err)
			}
			lines := strings.Split(text, "\n")
			if problem.Line < 0 || problem.Line > len(lines) ||
				problem.Line > 0 && problem.Column > utf8.RuneCountInString(lines[problem.Line-1])+1 {
				t.Fatalf("not in the text: %v", err)
			}
			return
		}
		again, err := value.ParseJSON(value.FormatJSON(made))
		if err != nil {
			t.Fatalf("%v\n%s", err, value.FormatJSON(made))
		}
		if got, want := string(value.FormatJSON(again)), string(value.FormatJSON(made)); got != want {
			t.Fatalf("written as %s, read as %s", want, got)
		}
	})
}
