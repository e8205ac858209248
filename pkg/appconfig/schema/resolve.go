package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// resolve merges different values of a keyword.
func (m *merger) resolve(key string, values []any, path []string) any {
	var common []any
	switch key {
	case "$id", "$ref", "$schema", "default", "description", "title", "examples":
		return values[0]
	case "type":
		if common = intersect(values); len(common) == 1 {
			return common[0]
		}
	case "enum":
		common = intersect(values)
		slices.SortStableFunc(common, ascending)
	case "maximum", "exclusiveMaximum", "maxItems", "maxLength", "maxProperties":
		return slices.MinFunc(values, ascending)
	case "minimum", "exclusiveMinimum", "minItems", "minLength", "minProperties":
		return slices.MaxFunc(values, ascending)
	case "uniqueItems":
		return true
	case "required":
		for _, names := range values {
			common = append(common, list(names)...)
		}
		slices.SortFunc(common, ascending)
		return slices.CompactFunc(common, value.Equal)
	case "visibility":
		return m.resolveVisibility(values, path)
	case "anyOf", "dependencies", "items", "multipleOf", "oneOf", "pattern":
		m.fail(&unmergeableError{strings.Join(path, ".")})
		return nil
	default:
		m.fail(fmt.Errorf("No resolver found for key %s. You can provide a resolver for this keyword in the options, "+
			"or provide a default resolver.", key))
		return nil
	}
	if len(common) == 0 {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = string(value.IndentJSON(v))
		}
		m.fail(fmt.Errorf("Could not resolve values for path:\"%s\". They are probably incompatible. Values: \n%s",
			strings.Join(path, "."), strings.Join(texts, "\n")))
	}
	return common
}

// resolveVisibility returns the most specific of different visibilities.
func (m *merger) resolveVisibility(values []any, path []string) any {
	if !slices.Contains(values, any("secret")) {
		return "frontend"
	}
	if slices.Contains(values, any("frontend")) {
		m.fail(fmt.Errorf("Config schema visibility is both 'frontend' and 'secret' for %s", strings.Join(path, "/")))
	}
	return "secret"
}

// distinct returns the values of a keyword that differ. The order of some lists does not matter.
func distinct(key string, values []any) (different []any) {
	normal := func(v any) any {
		if key == "required" || key == "enum" || key == "type" {
			return slices.SortedStableFunc(slices.Values(list(v)), ascending)
		}
		return v
	}
	for _, v := range values {
		same := func(other any) bool { return value.Equal(normal(v), normal(other)) }
		if !slices.ContainsFunc(different, same) {
			different = append(different, v)
		}
	}
	return different
}

// intersect returns the items of the first list that are in all lists. A single value is a list of one.
func intersect(lists []any) (common []any) {
	for _, item := range list(lists[0]) {
		lacks := func(other any) bool { return !contains(list(other), item) }
		if !contains(common, item) && !slices.ContainsFunc(lists, lacks) {
			common = append(common, item)
		}
	}
	return common
}

// ascending orders strings and numbers.
func ascending(a, b any) int {
	x, _ := a.(string)
	y, _ := b.(string)
	n, _ := a.(float64)
	m, _ := b.(float64)
	return cmp.Or(strings.Compare(x, y), cmp.Compare(n, m))
}
