package express_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/express"
)

// The cases are what createPathPolicyPredicate of @backstage/backend-defaults 0.18 answers.
func TestPathPoliciesAreBackstages(t *testing.T) {
	data, err := os.ReadFile("testdata/path-policies.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases struct {
		Paths    []string
		Patterns []struct {
			Pattern string
			Error   bool
			Matches []string
		}
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases.Patterns {
		match, err := express.CompilePath(c.Pattern)
		if (err != nil) != c.Error {
			t.Errorf("%s: error %v, want one: %t", c.Pattern, err, c.Error)
		}
		if err != nil {
			continue
		}
		got := []string{}
		for _, path := range cases.Paths {
			if match(path) {
				got = append(got, path)
			}
		}
		if diff := cmp.Diff(c.Matches, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.Pattern, diff)
		}
	}
}

func TestPathPatternsAreLimited(t *testing.T) {
	if _, err := express.CompilePath("/{a}{b}{c}{d}{e}{f}{g}{h}{i}"); err == nil {
		t.Error("512 combinations are accepted")
	}
}

func BenchmarkLiteralPath(b *testing.B) {
	match, err := express.CompilePath("/health")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !match("/health") {
			b.Fatal("no match")
		}
	}
}
