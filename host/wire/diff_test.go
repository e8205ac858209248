package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/dlclark/regexp2"
)

const absent = "(absent)"

// difference is a field in which two transcripts differ. Its values are as JavaScript prints them.
type difference struct{ field, golden, got string }

// compare returns the fields in which two transcripts differ, in order.
func compare(golden, got any) []difference {
	left, right := map[string]any{}, map[string]any{}
	flatten(golden, "steps", left)
	flatten(got, "steps", right)
	all := maps.Clone(left)
	maps.Copy(all, right)
	var out []difference
	for _, field := range slices.Sorted(maps.Keys(all)) {
		a, inLeft := left[field]
		b, inRight := right[field]
		if inLeft != inRight || a != b {
			out = append(out, difference{field, printed(a, inLeft), printed(b, inRight)})
		}
	}
	return out
}

// flatten stores the leaves of a JSON value by path. Header names have no order: only their presence counts.
func flatten(value any, path string, out map[string]any) {
	switch value := value.(type) {
	case []any:
		for i, item := range value {
			if strings.HasSuffix(path, "headerNames") {
				out[path+"."+item.(string)] = "present"
			} else {
				flatten(item, fmt.Sprintf("%s[%d]", path, i), out)
			}
		}
		if len(value) == 0 && !strings.HasSuffix(path, "headerNames") {
			out[path] = "[]"
		}
	case map[string]any:
		for key, item := range value {
			flatten(item, path+"."+key, out)
		}
		if len(value) == 0 {
			out[path] = "{}"
		}
	default:
		out[path] = value
	}
}

func printed(value any, present bool) string {
	if !present {
		return absent
	}
	switch value := value.(type) {
	case nil:
		return "null"
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	default:
		return fmt.Sprint(value)
	}
}

// allowance is an entry of the list of intended differences: globs for the scenario and the field, and JavaScript
// regular expressions that the two values must match.
type allowance struct {
	Scenario string `json:"scenario"`
	Field    string `json:"field"`
	Golden   string `json:"golden"`
	Got      string `json:"got"`
	Why      string `json:"why"`
	Note     string `json:"note"`

	ours            bool // an entry of this host, after the note "Part 3": the test fails if it is not needed
	scenario, field *regexp.Regexp
	golden, got     *regexp2.Regexp
	used            atomic.Int32
}

func readAllowances(file string) ([]*allowance, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var entries []*allowance
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	ours := false
	for _, a := range entries {
		ours = ours || strings.HasPrefix(a.Note, "Part 3")
		a.ours = ours
	}
	entries = slices.DeleteFunc(entries, func(a *allowance) bool { return a.Field == "" }) // notes
	for _, a := range entries {
		if a.Why == "" || a.Scenario == "" {
			return nil, fmt.Errorf("%s: the entry for %s %s needs a scenario and a reason", file, a.Scenario, a.Field)
		}
		a.scenario, a.field = glob(a.Scenario), glob(a.Field)
		var errs [2]error
		a.golden, errs[0] = regexp2.Compile(a.Golden, regexp2.Singleline)
		a.got, errs[1] = regexp2.Compile(a.Got, regexp2.Singleline)
		for _, err := range errs {
			if err != nil {
				return nil, fmt.Errorf("%s: the entry for %s %s: %w", file, a.Scenario, a.Field, err)
			}
		}
	}
	return entries, nil
}

func glob(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `$`)
}

// refused returns the differences that no entry of the list covers.
func refused(list []*allowance, scenario string, all []difference) []difference {
	var open []difference
	for _, d := range all {
		at := slices.IndexFunc(list, func(a *allowance) bool {
			return a.scenario.MatchString(scenario) && a.field.MatchString(d.field) &&
				fits(a.golden, d.golden) && fits(a.got, d.got)
		})
		if at < 0 {
			open = append(open, d)
		} else {
			list[at].used.Add(1)
		}
	}
	return open
}

func fits(pattern *regexp2.Regexp, text string) bool {
	ok, err := pattern.MatchString(text)
	return ok && err == nil
}
