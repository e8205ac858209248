package yaml_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

// Documents as people write them are read as by npm's yaml, also if go-yaml alone would read them differently.
func TestReadsWhatNodeReads(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{a:[1], b:{c: 2}, 'd':[3]}":                      `{"a":[1],"b":{"c":2},"d":[3]}`,
		"a: {b:[x]}\nc: 'd:[e'\nf: \"g:{h\"\nj: |\n  k:[": `{"a":{"b":["x"]},"c":"d:[e","f":"g:{h","j":"k:[\n"}`,
		"a: repo:{{tag}}":                                 `{"a":"repo:{{tag}}"}`,
		`a: "\ud83d\ude00 \uD83D\uDE00"`:                  `{"a":"😀 😀"}`,
		`a: '\ud83d\ude00' # \ud83d\ude00`:                `{"a":"\\ud83d\\ude00"}`,
		`a: "\\ud83d\\ude00"`:                             `{"a":"\\ud83d\\ude00"}`,
		"a: x\u2028y\nb: \"x\u0085y\"":                    "{\"a\":\"x\u2028y\",\"b\":\"x\u0085y\"}",
		"a: x\ry\r\nb: 1\r\n":                             `{"a":"x\ry","b":1}`,
		"\ufeffa: 1":                                      `{"a":1}`,
		"a: &größe 1\nb: *größe\nc: R &größe":             `{"a":1,"b":1,"c":"R &größe"}`,
		"a: |\n  -----BEGIN-----\n  x":                    `{"a":"-----BEGIN-----\nx\n"}`,
		"%YAML 1.1\n---\na: yes\nb: 0o7\n":                `{"a":true,"b":"0o7"}`,
		"%YAML 1.3\n%FOO bar\n---\na: yes\n":              `{"a":"yes"}`,
		"a: yes\nb: 0o7\nc: 0x1f\nd: .5\n":                `{"a":"yes","b":7,"c":31,"d":0.5}`,
		"--- !<tag:clarkevans.com,2002:invoice>\na: 1":    `{"a":1}`,
		"b: 1\n2: x\na: 1\n1: y":                          `{"1":"y","2":"x","b":1,"a":1}`,
		"a: &a {x: 1, y: 2}\nb: {<<: *a}":                 `{"a":{"x":1,"y":2},"b":{"<<":{"x":1,"y":2}}}`,
		"%YAML 1.1\n---\na: &a {x: 1}\nb: {<<: *a, x: 2}": `{"a":{"x":1},"b":{"x":2}}`,
		"? [a, b]\n: 1":                                   `{"[\"a\",\"b\"]":1}`,
		"":                                                `null`,
	} {
		made, err := yaml.Parse([]byte(text))
		if got := string(value.FormatJSON(made)); err != nil || got != want {
			t.Errorf("%q is %s, %v, want %s", text, got, err, want)
		}
	}
}

// ${…} without quotes between braces or brackets is a common mistake.
func TestErrorsTellOfVariablesWithoutQuotes(t *testing.T) {
	t.Parallel()
	const hint = "(between { } or [ ], a string with ${…} needs quotes)"
	for text, want := range map[string]bool{
		"a: { port: ${PORT} }":                    true,
		"a: {host: ${HOST}, port: ${PORT:-7007}}": true,
		"a: [${A}, b]":                            true,
		"a: {url: http://${HOST}/x}":              true,
		"a:\n  - { x: 1,\n      y: ${Y} }\n":      true,
		"a: {x: ${X}}\nb: [":                      true,
		"a: {x: '${X}'}\nb: [":                    false,
		"a: b: ${C}\n":                            false,
		"# {x: ${X}}\na: *b":                      false,
		"a: 'x\nb: {c: \"${C}\"}":                 false,
	} {
		_, err := yaml.Parse([]byte(text))
		if err == nil || strings.Contains(err.Error(), hint) != want {
			t.Errorf("%q: got %v, want a hint: %v", text, err, want)
		}
	}
	if _, err := yaml.Parse([]byte("a: {x: '${X}', y: 1}\nb: ${B}\nc: \"[${C}]\"")); err != nil {
		t.Error(err)
	}
}

func TestErrorsAreInTheDocument(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: [":             "did not find expected node content at line 1, column 5",
		"a: [\n":           "did not find expected node content at line 1, column 5",
		"a: b: c\n":        "mapping values are not allowed in this context at line 1, column 5",
		"a: 1\nb: 2\na: 3": "Map keys must be unique at line 3, column 1",
		"é:\n  ü: 'x":      "found unexpected end of stream at line 2, column 8",
		"a: *b":            "unknown anchor (a string that begins with * needs quotes) at line 1, column 4",
		"a: &a [*a]":       "alias inside the collection that it names at line 1, column 8",
		"a: 1\n---\nb: 2":  "Source contains multiple documents at line 2, column 1",
		"{a:[1], a:[2]}":   "Map keys must be unique at line 1, column 10",
	} {
		_, err := yaml.Parse([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	_, err := yaml.Parse([]byte("a: *" + strings.Repeat("x", 10_000)))
	if problem := (*value.SyntaxError)(nil); !errors.As(err, &problem) || len(err.Error()) > 300 {
		t.Errorf("got %.400v, want a short message", err)
	}
}

// An alias may be a secret that lacks quotes, and a tag or a value one in the wrong place.
func TestErrorsHoldNoValues(t *testing.T) {
	for _, text := range []string{
		"a: *S3cr3t", "a: [*S3cr3t, b]", "{a: *S3cr3t}", "*S3cr3t : a", "a: &S3cr3t [*S3cr3t]", "a: !!omap [*S3cr3t : b]", "a: !!omap [S3cr3t: b, S3cr3t: c]",
		"a: !!set {*S3cr3t : }", "!!merge <<: *S3cr3t", "%YAML 1.1\n---\n<<: *S3cr3t", "a: !S3cr3t!x b", "a: !<S3cr3t", "a: 'S3cr3t", "a: \"S3cr3t\\q\"",
		"a: @S3cr3t", "a: `S3cr3t", "a: %S3cr3t", "S3cr3t: 1\nS3cr3t: 2", "a: b: S3cr3t", "S3cr3t", "a: !!int S3cr3t\nb: [", "a: !!float S3cr3t\nb: [", "a: {b: S3cr3t",
		"a: |S3cr3t\n b", "a: &S3cr3t &b c", "a: &S3cr3t *b", "%S3cr3t x\na: [", "- a\nS3cr3t: b", "a: !!timestamp S3cr3t\nb: *S3cr3t", "!!S3cr3t : [",
		"a: *" + strings.Repeat("S3cr3t", 100),
	} {
		_, err := yaml.Parse([]byte(text))
		if err != nil && strings.Contains(err.Error(), "S3cr3t") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
