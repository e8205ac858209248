package schema

import (
	"math"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// resolve merges the different values of a keyword. It returns absent{} if they contradict each other.
func resolve(key string, values []any, path []string) any {
	switch key {
	// The first schema's word counts for what cannot be merged.
	case "$id", "$ref", "$schema", "default", "description", "title":
		return values[0]
	case "contains", "propertyNames":
		return mergeAll(values, nil, path)
	case "definitions", "dependencies":
		return mergeDependencies(values, path)
	case "anyOf", "oneOf":
		return mergeAlternatives(values, path)
	case "type":
		return mergeTypes(values)
	case "enum":
		return mergeEnums(values)
	case "not":
		either := &appconfig.Object{}
		either.Set("anyOf", values)
		return either
	case "pattern": // all must match
		var all strings.Builder
		for _, value := range values {
			all.WriteString("(?=" + toString(value) + ")")
		}
		return all.String()
	case "multipleOf":
		return leastCommonMultiple(values)
	case "examples":
		var all []any
		for _, value := range values {
			if list, ok := value.([]any); ok {
				all = append(all, list...)
			} else {
				all = append(all, value)
			}
		}
		return unique(all, appconfig.Equal)
	case "maximum", "exclusiveMaximum", "maxItems", "maxLength", "maxProperties":
		return extreme(values, math.Min)
	case "minimum", "exclusiveMinimum", "minItems", "minLength", "minProperties":
		return extreme(values, math.Max)
	case "uniqueItems":
		return slices.Contains(values, any(true))
	case "required":
		return sortedTexts(values)
	case "visibility":
		return mergeVisibility(values, path)
	}
	panic(mergeError{"No resolver found for key " + key + ". You can provide a resolver for this keyword in the " +
		"options, or provide a default resolver."})
}

// mergeVisibility takes the most specific visibility. No value is both for the frontend and secret, as one of the
// schemas must then be wrong about it.
func mergeVisibility(values []any, path []string) any {
	frontend, secret := slices.Contains(values, any("frontend")), slices.Contains(values, any("secret"))
	switch {
	case frontend && secret:
		panic(mergeError{"Config schema visibility is both 'frontend' and 'secret' for " + strings.Join(path, "/")})
	case frontend:
		return "frontend"
	case secret:
		return "secret"
	}
	return "backend"
}

// mergeTypes keeps the types that all schemas allow. Two single types that differ contradict each other; "integer"
// is not taken for a "number" here.
func mergeTypes(values []any) any {
	lists, some := make([][]any, len(values)), false
	for i, value := range values {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		lists[i], some = list, some || ok
	}
	common := intersect(lists)
	switch {
	case !some || len(common) == 0:
		return absent{}
	case len(common) == 1:
		return common[0]
	}
	return common
}

// mergeEnums keeps the values that all schemas allow, in ascending order.
func mergeEnums(values []any) any {
	lists := make([][]any, len(values))
	for i, value := range values {
		lists[i], _ = value.([]any)
	}
	common := intersect(lists)
	if len(common) == 0 {
		return absent{}
	}
	slices.SortStableFunc(common, ascending)
	return common
}

// intersect returns the items of the first list that are in all.
func intersect(lists [][]any) (common []any) {
	for _, item := range lists[0] {
		has := func(list []any) bool {
			return slices.ContainsFunc(list, func(other any) bool { return appconfig.Equal(item, other) })
		}
		if !has(common) && !slices.ContainsFunc(lists, func(list []any) bool { return !has(list) }) {
			common = append(common, item)
		}
	}
	return common
}

// extreme returns the strictest of several limits: of is the lesser or the greater of two.
func extreme(values []any, of func(a, b float64) float64) any {
	result, _ := values[0].(float64)
	for _, value := range values[1:] {
		number, _ := value.(float64)
		result = of(result, number)
	}
	return result
}

// leastCommonMultiple works on whole numbers, which fractions are scaled to.
func leastCommonMultiple(values []any) any {
	factor := 1.0
	scaled := func(value any) float64 { number, _ := value.(float64); return number * factor }
	for slices.ContainsFunc(values, func(v any) bool { return scaled(v) != math.Trunc(scaled(v)) }) {
		factor *= 10
	}
	result := scaled(values[0])
	for _, value := range values[1:] {
		a, b := result, scaled(value)
		for b > 0 {
			a, b = b, math.Mod(a, b)
		}
		if !(a > 0) {
			return 0.0
		}
		result = result / a * scaled(value)
	}
	return result / factor
}
