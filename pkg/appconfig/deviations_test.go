package appconfig_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// deviations are the kinds of intended differences.
type deviations []struct {
	Reason string
	Cases  []string // in testdata that differ
	Taken  bool     // the real loader refuses them with a YAML error, and this one accepts them

	// Decided kinds may have any number of cases; the others together have few.
	Decided bool

	// Which other cases may differ: none without Taken or one of these.
	Names string // a regular expression for their paths
	Reads string // a regular expression for a key that they read
	Error string // a regular expression for the recorded load error
	Node  bool   // their error text comes partly from Node
}

func readDeviations(t *testing.T) deviations {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "deviations.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct{ Kinds deviations }
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d.Kinds
}

// refusedThere begins the difference of a case that only the real loader refuses.
const refusedThere = "- load error: "

// reason returns why a case may differ as it does, or "". Only cases outside of testdata may differ without being listed
// by their path.
func (d deviations) reason(c conformanceCase, diff string, random bool) string {
	var expect struct{ Error string }
	_ = json.Unmarshal(c.Expect, &expect)
	taken := strings.HasPrefix(diff, refusedThere) && yamlProblem.MatchString(expect.Error)
	for _, kind := range d {
		may := slices.Contains(kind.Cases, c.path)
		if random {
			may = may || kind.Taken || kind.Node && c.NodeText ||
				kind.Names != "" && regexp.MustCompile(kind.Names).MatchString(c.path) ||
				kind.Error != "" && regexp.MustCompile(kind.Error).MatchString(expect.Error) ||
				kind.Reads != "" && readsKey(c.Reads, regexp.MustCompile(kind.Reads))
		}
		if may && (!kind.Taken || taken) {
			return kind.Reason
		}
	}
	return ""
}

func readsKey(reads []read, key *regexp.Regexp) bool {
	for _, r := range reads {
		if r.Key != nil && key.MatchString(*r.Key) || readsKey(r.Then, key) {
			return true
		}
	}
	return false
}

// yamlProblem is in the text of each error with which npm's yaml refuses a document.
var yamlProblem = regexp.MustCompile(`(?:^|\n| )(?:YAMLParseError: )?[^\n]* at line \d+, column \d+:|` +
	`YAMLParseError|(?:Unresolved|Excessive) alias |Merge sources must `)

// diffErrors compares the texts of load errors. For a document that is not YAML, wording and position may differ, but we
// always name the file.
func diffErrors(want, got string, err error) string {
	var syntax *value.SyntaxError
	switch {
	case !errors.As(err, &syntax):
		return cmp.Diff(want, got)
	case !yamlProblem.MatchString(want):
		return cmp.Diff(want, got)
	case syntax.Path == "" || !strings.Contains(got, filepath.Base(syntax.Path)):
		return "+ does not name the file: " + got
	}
	return ""
}
