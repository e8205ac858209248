// Package express holds what express and its usual middleware do with requests and answers: the parts that a
// plugin that stands in for a Node one has to share with it. Each type and function names the npm package
// whose behaviour it has.
package express

import (
	"net/http"
	"slices"
	"strings"
)

// CutPrefixFold is strings.CutPrefix without regard to letter case, as express matches paths. When s does not
// start with prefix, it returns s and false.
func CutPrefixFold(s, prefix string) (rest string, ok bool) {
	// For a prefix in ASCII, strings of equal length fold byte by byte: "ſ", two bytes, is never taken for "s".
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// AddVary adds name to the Vary header as npm's vary does: all names are in one line, each once in any case,
// and "*" stands for all of them.
func AddVary(header http.Header, name string) {
	old := strings.Join(header.Values("Vary"), ", ")
	names := strings.Split(strings.ReplaceAll(strings.ToLower(old), " ", ""), ",")
	switch {
	case slices.Contains(names, "*"):
		header.Set("Vary", "*")
	case slices.Contains(names, strings.ToLower(name)):
	case old == "":
		header.Set("Vary", name)
	default:
		header.Set("Vary", old+", "+name)
	}
}
