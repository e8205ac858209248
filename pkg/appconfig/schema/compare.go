package schema

import (
	"cmp"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// similar tells whether two schemas mean the same, by the rules of json-schema-compare. Of schemas that mean
// the same the first alone is merged, which keeps the order of its lists.
func similar(a, b any) bool {
	if saysNothing(a) && saysNothing(b) {
		return true
	}
	x, isObject := a.(*appconfig.Object)
	y, bothObjects := b.(*appconfig.Object)
	if !isObject || !bothObjects {
		return appconfig.Equal(a, b)
	}
	for _, key := range keysOf([]*appconfig.Object{x, y}) {
		if !similarUnder(key, get(x, key), get(y, key)) {
			return false
		}
	}
	return true
}

// similarUnder tells whether two values of a keyword mean the same.
func similarUnder(key string, a, b any) bool {
	if slices.Contains(comparedAsSchemas, key) {
		return similar(a, b)
	}
	if appconfig.Equal(a, b) {
		return true
	}
	if (isAbsent(a) || isAbsent(b)) && !slices.Contains(optionalKeywords, key) {
		return false
	}
	switch key {
	case "uniqueItems":
		return isAbsent(a) && b == false || isAbsent(b) && a == false
	case "minLength", "minItems", "minProperties":
		return isAbsent(a) && b == 0.0 || isAbsent(b) && a == 0.0
	case "required", "enum", "type":
		return appconfig.Equal(sortedTexts([]any{a}), sortedTexts([]any{b}))
	case "anyOf", "oneOf", "allOf":
		return similarLists(a, b)
	case "properties", "patternProperties", "dependencies":
		return similarGroups(a, b)
	case "items":
		x, isTuple := a.([]any)
		y, bothTuples := b.([]any)
		if isTuple && bothTuples {
			return len(x) == len(y) && slices.EqualFunc(x, y, similar)
		}
		_, isObject := a.(*appconfig.Object)
		_, bothObjects := b.(*appconfig.Object)
		return isObject && bothObjects && similar(a, b)
	}
	return false
}

// comparedAsSchemas are keywords for which an empty schema, true and none mean the same.
var comparedAsSchemas = []string{"additionalProperties", "additionalItems", "contains", "propertyNames", "not"}

// optionalKeywords mean the same when they are not there as with some value.
var optionalKeywords = []string{
	"properties", "patternProperties", "dependencies", "uniqueItems", "minLength", "minItems", "minProperties",
	"required",
}

// similarLists compares lists of alternatives, whose order does not matter.
func similarLists(a, b any) bool {
	x, _ := a.([]any)
	y, _ := b.([]any)
	x, y = unique(x, similar), unique(y, similar)
	common := 0
	for _, schema := range x {
		if slices.ContainsFunc(y, func(other any) bool { return similar(schema, other) }) {
			common++
		}
	}
	return common == max(len(x), len(y))
}

// similarGroups compares schemas by their names.
func similarGroups(a, b any) bool {
	x, _ := a.(*appconfig.Object)
	y, _ := b.(*appconfig.Object)
	if x.Len() == 0 || y.Len() == 0 {
		return x.Len() == y.Len()
	}
	for _, key := range keysOf([]*appconfig.Object{x, y}) {
		one, other := get(x, key), get(y, key)
		_, isList := one.([]any)
		_, bothLists := other.([]any)
		if isList && bothLists {
			continue // json-schema-compare takes any two lists of required properties for equal
		}
		if isList != bothLists || isAbsent(one) || isAbsent(other) || !similar(one, other) {
			return false
		}
	}
	return true
}

// isAbsent tells whether a value stands for a keyword that is not there: JavaScript's undefined.
func isAbsent(value any) bool { return value == absent{} }

// get returns what object has under key, or absent{}.
func get(object *appconfig.Object, key string) any {
	if value, ok := object.Get(key); ok {
		return value
	}
	return absent{}
}

// saysNothing tells whether every value meets the schema.
func saysNothing(schema any) bool {
	object, ok := schema.(*appconfig.Object)
	return isAbsent(schema) || schema == true || ok && object.Len() == 0
}

// keysOf returns the keys of all objects, in the order in which they are first met.
func keysOf(objects []*appconfig.Object) (keys []string) {
	seen := map[string]bool{}
	for _, object := range objects {
		for _, key := range object.Keys() {
			if !seen[key] {
				seen[key] = true
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// valuesOf returns what those objects have under key that have it.
func valuesOf(objects []*appconfig.Object, key string) (values []any) {
	for _, object := range objects {
		if value, ok := object.Get(key); ok {
			values = append(values, value)
		}
	}
	return values
}

// objectsOf returns those values that are objects.
func objectsOf(values []any) (objects []*appconfig.Object) {
	for _, value := range values {
		if object, ok := value.(*appconfig.Object); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// extract returns schemas of the given keywords alone, without those that mean the same as another.
func extract(schemas []*appconfig.Object, keywords []string) []*appconfig.Object {
	parts := make([]any, len(schemas))
	for i, schema := range schemas {
		part := &appconfig.Object{}
		for _, key := range keywords {
			if value, ok := schema.Get(key); ok {
				part.Set(key, value)
			}
		}
		parts[i] = part
	}
	return objectsOf(unique(parts, similar))
}

// unique returns the values that are not the same as an earlier one.
func unique(values []any, same func(a, b any) bool) (kept []any) {
	for _, value := range values {
		if !slices.ContainsFunc(kept, func(other any) bool { return same(value, other) }) {
			kept = append(kept, value)
		}
	}
	return kept
}

// without returns an object without the keys that have the given value.
func without(object *appconfig.Object, value any) *appconfig.Object {
	out := &appconfig.Object{}
	for _, key := range object.Keys() {
		if item, _ := object.Get(key); item != value {
			out.Set(key, item)
		}
	}
	return out
}

// sortedTexts returns the different items of all lists in ascending order.
func sortedTexts(values []any) []any {
	all := []any{}
	for _, value := range values {
		if list, ok := value.([]any); ok {
			all = append(all, list...)
		} else if !isAbsent(value) {
			all = append(all, value)
		}
	}
	// Objects are told apart by their identity in JavaScript, so that none equals another.
	sorted := unique(all, func(a, b any) bool { return typeOf(a) != "object" && appconfig.Equal(a, b) })
	slices.SortStableFunc(sorted, ascending)
	return sorted
}

// ascending orders values as JavaScript's < does, null last.
func ascending(a, b any) int {
	if a == nil || b == nil {
		return boolToInt(a == nil) - boolToInt(b == nil)
	}
	x, isText := primitive(a).(string)
	y, bothTexts := primitive(b).(string)
	if isText && bothTexts {
		return strings.Compare(x, y)
	}
	m, isNumber := number(a)
	n, bothNumbers := number(b)
	if !isNumber || !bothNumbers {
		return 0
	}
	return cmp.Compare(m, n)
}

// boolToInt lets booleans be subtracted, as JavaScript does.
func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// primitive is what JavaScript compares an array or object by.
func primitive(value any) any {
	switch value.(type) {
	case []any, *appconfig.Object:
		return toString(value)
	}
	return value
}

// number reads a value as < does when one side is not a text.
func number(value any) (float64, bool) {
	if n, ok := value.(float64); ok {
		return n, true
	}
	return toNumber(primitive(value))
}
