package appconfig

import (
	"errors"
	"strings"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// FuzzSubstitute replaces variables in any string.
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

// FuzzEnviron reads a configuration from any variables.
func FuzzEnviron(f *testing.F) {
	f.Add("a_b", "1", "a", `{"b": null}`)
	f.Add("a", `[1, "x", {"y": 1e999}]`, "a_b", "x")
	f.Add("a-b_c:d", "text", "A1", `"\ud800"`)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		e := newEnviron([]string{envPrefix + name1 + "=" + value1, envPrefix + name2 + "=" + value2})
		data, err := e.config()
		if err != nil {
			if _, ok := errors.AsType[textError](err); !ok && !errors.Is(err, value.ErrDepth) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if data == nil {
			return
		}
		config := New(Layer{Name: "env", Data: data})
		for name, text := range e.values {
			key := strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", ".")
			if there, err := config.Has(key); text != "" && (err != nil || !there) {
				t.Fatalf("%s=%q is not there: %v", name, text, err)
			}
		}
	})
}
