package yaml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

// shapes returns documents of about the given size that would take a slow reader long. Each is loaded or refused in a
// time that is linear in its size.
func shapes(size int) map[string]string {
	repeat := func(text string) string { return strings.Repeat(text, size/len(text)) }
	count := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-len(format)-8; i++ {
			fmt.Fprintf(&b, strings.ReplaceAll(format, "%", "%[1]d"), i)
		}
		return b.String()
	}
	return map[string]string{
		"values behind values":      repeat("a: b: "),
		"values":                    "a:" + repeat(" b:"),
		"mappings as keys":          repeat("{a: b}: "),
		"explicit keys":             repeat("? "),
		"sequences as keys":         repeat("[a]: "),
		"explicit keys in lines":    repeat("? a\n"),
		"next lines":                "a: " + repeat("\u0085"),
		"line separators":           "a: " + repeat("x\u2028"),
		"carriage returns":          "a: " + repeat("x\r"),
		"deep sequences":            repeat("["),
		"deep mappings":             repeat("{a: "),
		"deep items":                repeat("- "),
		"anchors":                   count("- &a% x\n"),
		"anchors and aliases":       repeat("- &a x\n- *a\n"),
		"aliases":                   "a: &a x\nb: [" + repeat("*a, ") + "]",
		"aliases without an anchor": "a: [" + repeat("*b ,") + "]",
		"anchors beyond ASCII":      count("- &ä% x\n"),
		"marks of anchors":          "- &ä x\n- x" + repeat("0"),
		"anchors with colons":       "a: &" + repeat(":") + "x",
		"a plain string":            "a: " + repeat("x"),
		"a plain string of lines":   "a:\n" + repeat(" x\n"),
		"a quoted string":           `a: "` + repeat("x y ") + `"`,
		"a quoted string of lines":  "a: '" + repeat("x\n ") + "'",
		"an open quoted string":     "a: '" + repeat("x\n"),
		"a block scalar":            "a: |\n" + repeat("  x\n"),
		"blank lines":               "a: >\n  x\n" + repeat("\n") + "  y\n",
		"short keys":                count("k%: 1\n"),
		"short keys in a flow":      "{" + count("k%: 1,") + "}",
		"pairs in a flow":           "[" + count("k%: 1,") + "]",
		"a flow without an end":     "[" + repeat("a, "),
		"the same key":              repeat("a: 1\n"),
		"comments":                  repeat("# x\n") + "a: 1",
		"comments behind values":    repeat("- a # x\n"),
		"comments between keys":     count("# x\nk%: 1\n\n# y\n"),
		"comments further left":     "a:\n    b: 1\n" + repeat("  # x\n"),
		"tags":                      repeat("- !t x\n"),
		"tags of a handle":          "%TAG !e! tag:e,2000:\n---\n" + repeat("- !e!t x\n"),
		"directives":                repeat("%FOO\n"),
		"handles":                   count("%TAG !e%! tag:e,2000:\n") + "---\na: 1",
		"tabs":                      "a:" + repeat("\t"),
		"tabs in lines":             repeat("a:\t1\n\t\n"),
		"surrogates":                `a: "` + repeat(`\ud83d\ude00`) + `"`,
		"backslashes":               `a: "` + repeat(`\\`) + `"`,
		"escaped breaks":            `a: "` + repeat("\\\n\n") + `"`,
		"brackets behind colons":    "{" + repeat("a:[1],") + "}",
		"documents":                 repeat("---\n"),
		"document ends":             repeat("...\n"),
		"merges":                    "a: &a {x: 1}\nb:\n" + repeat("  ? !!merge <<\n  : *a\n"),
		"a quoted key":              `"` + repeat("x") + `": 1`,
		"blanks":                    "a:" + repeat(" "),
		"a long first line":         repeat("x ") + "\ny",
		"nothing but keys":          repeat("a:\n"),
		"indented ever deeper":      deeper(size),
	}
}

// deeper returns nested mappings, as deep as the limit, many times.
func deeper(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size-1000; i++ {
		fmt.Fprintf(&b, "k%d:\n", i)
		for depth := 1; depth < 400 && b.Len() < size-1000; depth++ {
			b.WriteString(strings.Repeat(" ", depth) + "k:\n")
		}
	}
	return b.String()
}

// BenchmarkShapes reads each shape at the limit of a file's size.
func BenchmarkShapes(b *testing.B) {
	for name, text := range shapes(value.MaxFileSize - 100) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				_, _ = yaml.Parse([]byte(text))
			}
		})
	}
}
