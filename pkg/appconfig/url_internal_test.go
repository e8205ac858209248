package appconfig

import (
	"strings"
	"testing"
)

// A URL that JavaScript accepts and Go does not is also shown without user, password and query.
func TestOddURLsShowNoSecrets(t *testing.T) {
	for arg, want := range map[string]string{
		"https://a.example/b.yaml?token=hunter2":               "https://a.example/b.yaml",
		"https://wren:hunter2@a.example/b.yaml":                "https://a.example/b.yaml",
		"https://a.example/%zz?token=hunter2#hunter2":          "https://a.example/%25zz",
		"https://wren:hunter2@a.example/%zz#x?token=hunter2":   "https://a.example/%25zz",
		"https://wren:hun%zzter2@a.example/b?token=hunter2":    "https://a.example/b",
		"https://wren:hunter2|@a.example/b.yaml?token=hunter2": "https://a.example/b.yaml",
	} {
		u := parseURL(arg)
		if u == nil {
			t.Errorf("%s is a path", strings.ReplaceAll(arg, "hunter2", "…"))
		} else if got := displayURL(u); got != want {
			t.Errorf("got %s, want %s", strings.ReplaceAll(got, "hunter2", "…"), want)
		}
	}
}
