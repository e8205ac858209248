package logging

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The striker finds what strings.Replacer finds, if the longest goes first. The texts have few letters, so that forms begin
// with each other, overlap, and share their first bytes.
func TestStrikerAgreesWithReplacer(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	text := func(from, to int) string {
		out := make([]byte, from+random.IntN(to-from))
		for i := range out {
			out[i] = "ab\x00\xff"[random.IntN(2+random.IntN(3))]
		}
		return string(out)
	}
	for range 3000 {
		var forms, pairs []string
		shortest := 4 + random.IntN(6) // which decides how far apart the striker looks
		for range random.IntN(30) {
			forms = append(forms, text(shortest, 14))
		}
		s := newStriker(slices.Values(forms))
		slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
		for _, form := range forms {
			pairs = append(pairs, form, mark)
		}
		for range 10 {
			input := text(0, 60)
			want := strings.NewReplacer(pairs...).Replace(input)
			if got := string(s.strike([]byte(input))); got != want {
				t.Fatalf("forms %q: %q became %q, want %q", forms, input, got, want)
			}
		}
	}
}
