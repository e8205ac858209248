package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ring(t testing.TB, purpose string, secrets ...string) *Ring {
	t.Helper()
	var raw [][]byte
	for _, secret := range secrets {
		raw = append(raw, []byte(secret))
	}
	r, err := New(purpose, raw...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	r := ring(t, "state", "one")
	for _, value := range []string{"", "x", strings.Repeat("long ", 500)} {
		got, err := r.Open(r.Seal([]byte(value), "cookie"), "cookie")
		if err != nil || string(got) != value {
			t.Errorf("value of %d bytes: got %d bytes, %v", len(value), len(got), err)
		}
	}
	if a, b := r.Seal([]byte("x"), ""), r.Seal([]byte("x"), ""); a == b {
		t.Error("two seals of one value are alike: the nonce is not random")
	}
}

func TestFirstKeySealsAllOpen(t *testing.T) {
	older, newer := ring(t, "state", "old"), ring(t, "state", "new", "old")
	text := older.Seal([]byte("x"), "")
	if _, err := newer.Open(text, ""); err != nil {
		t.Errorf("after rotation: %v", err)
	}
	if _, err := older.Open(newer.Seal([]byte("x"), ""), ""); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the ring sealed with another key than its first: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	r := ring(t, "state", "one")
	text := r.Seal([]byte("value"), "cookie-1")
	tests := map[string]struct {
		ring          *Ring
		text, context string
		want          error
	}{
		"another context":   {r, text, "cookie-2", ErrInvalid},
		"another purpose":   {ring(t, "session", "one"), text, "cookie-1", ErrUnknownKey},
		"another secret":    {ring(t, "state", "two"), text, "cookie-1", ErrUnknownKey},
		"empty":             {r, "", "cookie-1", ErrInvalid},
		"not base64":        {r, "***", "cookie-1", ErrInvalid},
		"cut":               {r, text[:len(text)-4], "cookie-1", ErrInvalid},
		"too long":          {r, strings.Repeat("A", maxSize+1), "cookie-1", ErrInvalid},
		"shorter than tags": {r, text[:20], "cookie-1", ErrInvalid},
	}
	for name, test := range tests {
		if _, err := test.ring.Open(test.text, test.context); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	for i := range len(text) {
		for _, other := range []byte("Aa0_") {
			changed := []byte(text)
			if changed[i] == other {
				continue
			}
			changed[i] = other
			if _, err := r.Open(string(changed), "cookie-1"); err == nil {
				t.Fatalf("character %d changed to %c: opened all the same", i, other)
			}
		}
	}
}

func TestNewNeedsASecret(t *testing.T) {
	if _, err := New("state"); err == nil {
		t.Error("a ring without keys was made")
	}
}

func FuzzOpen(f *testing.F) {
	r := ring(f, "state", "one", "two")
	value := []byte("a value")
	f.Add(r.Seal(value, "c"), "c")
	f.Add("", "")
	f.Add("AAAA", "c")
	f.Fuzz(func(t *testing.T, text, context string) {
		got, err := r.Open(text, context)
		if err == nil && (!bytes.Equal(got, value) || context != "c") {
			t.Errorf("opened a text that was never sealed: %q", text)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r, value := ring(b, "state", "one"), bytes.Repeat([]byte("v"), 300)
	b.ReportAllocs()
	for b.Loop() {
		r.Seal(value, "coder-state-0011223344556677")
	}
}

func BenchmarkOpen(b *testing.B) {
	r := ring(b, "state", "one")
	text := r.Seal(bytes.Repeat([]byte("v"), 300), "coder-state-0011223344556677")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(text, "coder-state-0011223344556677"); err != nil {
			b.Fatal(err)
		}
	}
}
