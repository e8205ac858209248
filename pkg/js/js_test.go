package js_test

import (
	"math"
	"testing"

	"github.com/understudy-host/understudy/pkg/js"
)

func TestDecodeUTF8ReplacesEachBrokenPart(t *testing.T) {
	for in, want := range map[string]string{
		"héé€😀":            "héé€😀",
		"a\xffb":           "a\ufffdb",
		"\xe2\x82x":        "\ufffdx",
		"\xf0\x9f\x98":     "\ufffd",
		"\xe0\x80\x80":     "\ufffd\ufffd\ufffd", // an overlong NUL: no byte begins a valid character
		"\xed\xa0\x80":     "\ufffd\ufffd\ufffd", // half of a surrogate pair
		"\xf4\x90\x80\x80": "\ufffd\ufffd\ufffd\ufffd",
		"\xc2":             "\ufffd",
		"\x80\xc2\xa0":     "\ufffd\u00a0",
	} {
		if got := js.DecodeUTF8([]byte(in)); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for in, want := range map[string]float64{
		"": 0, " 12 ": 12, "0x1f": 31, "0B11": 3, "0o17": 15, "1.": 1, ".5e1": 5, "-0": 0, "+7": 7, "\ufeff1\u2003": 1,
		"0xffffffffffffffffffff": 1.2089258196146292e24, "9007199254740993": 9007199254740992,
	} {
		if got, ok := js.ParseNumber(in); !ok || got != want {
			t.Errorf("%q is %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"x", "1x", "0x", "0x-1", "1_0", ".", "e1", "1e", "Infinity", "1e999", "\u00851"} {
		if got, ok := js.ParseNumber(in); ok {
			t.Errorf("%q is %v, want no number", in, got)
		}
	}
	for n, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 1e21: "1e+21", 1e20: "100000000000000000000", 1e-7: "1e-7", 1.5e-10: "1.5e-10",
		0.000001: "0.000001", math.Inf(-1): "-Infinity", 123.25: "123.25",
	} {
		if got := js.FormatNumber(n); got != want {
			t.Errorf("%v is %s, want %s", n, got, want)
		}
	}
}

func TestArrayIndex(t *testing.T) {
	for in, want := range map[string]bool{
		"0": true, "10": true, "4294967294": true, "4294967295": false, "01": false, "-1": false, "1.0": false, "": false, "a": false,
	} {
		if _, got := js.ArrayIndex(in); got != want {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
	}
}
