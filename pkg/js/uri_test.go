package js_test

import (
	"testing"

	"github.com/understudy-host/understudy/pkg/js"
)

func TestEncodeURIComponent(t *testing.T) {
	for in, want := range map[string]string{
		"":                "",
		"AZaz09-_.!~*'()": "AZaz09-_.!~*'()",
		"a b+c":           "a%20b%2Bc",
		"a/b?c=d&e#f":     "a%2Fb%3Fc%3Dd%26e%23f",
		"é€😀":             "%C3%A9%E2%82%AC%F0%9F%98%80",
	} {
		if got := js.EncodeURIComponent(in); got != want {
			t.Errorf("EncodeURIComponent(%q) = %q, want %q", in, got, want)
		}
		if back := js.DecodeURIComponent(want); back != in {
			t.Errorf("DecodeURIComponent(%q) = %q, want %q", want, back, in)
		}
	}
}

func TestDecodeURIComponentKeepsWhatItCannotDecode(t *testing.T) {
	for _, in := range []string{"%", "%zz", "100%", "%FF", "a%C3"} {
		if got := js.DecodeURIComponent(in); got != in {
			t.Errorf("DecodeURIComponent(%q) = %q, want it unchanged", in, got)
		}
	}
}
