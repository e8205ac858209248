package host_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each defence in SECURITY.md names tests as `package.Test`. A test that was renamed or removed proves nothing.
func TestSecurityNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)[A-Z]\\w*)`").FindAllStringSubmatch(string(text), -1)
	if len(named) == 0 {
		t.Fatal("SECURITY.md names no tests")
	}
	for _, test := range named {
		if !declares(t, filepath.Join("..", test[1]), test[2]) {
			t.Errorf("SECURITY.md: package %s has no test %s", test[1], test[2])
		}
	}
}

// declares reports whether the tests in a folder have a function of this name.
func declares(t *testing.T, dir, function string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+function+"(") {
			return true
		}
	}
	return false
}
