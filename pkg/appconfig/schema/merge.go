package schema

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// mergeSchemas merges schemas as Backstage does with json-schema-merge-allof 0.8.1: the result takes what
// all of them take, except that the properties of all are allowed.
func mergeSchemas(schemas []any) (merged any, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			var ok bool
			if err, ok = problem.(mergeError); !ok {
				panic(problem)
			}
		}
	}()
	return mergeFlat(schemas), nil
}

// A mergeError is thrown where schemas contradict each other. An alternative in which they do is left out.
type mergeError struct{ problem string }

func (e mergeError) Error() string { return e.problem }

// mergeFlat merges schemas and whatever is in their allOf. Paths in errors start again here.
func mergeFlat(schemas []any) any {
	all := []any{&value.Object{}}
	for _, schema := range schemas {
		all = append(all, flatten(schema)...)
	}
	return mergeAll(all, nil)
}

// flatten returns a schema without its allOf, and then the schemas of that.
func flatten(schema any) []any {
	object, _ := schema.(*value.Object)
	v, ok := object.Get("allOf")
	if !ok {
		return []any{schema}
	}
	rest := &value.Object{}
	for key, v := range entries(object) {
		if key != "allOf" {
			rest.Set(key, v)
		}
	}
	all := []any{rest}
	for _, inner := range list(v) {
		all = append(all, flatten(inner)...)
	}
	return all
}

// mergeAll merges schemas that have no allOf between them; nil stands for no schema. path tells errors where the
// schemas are.
func mergeAll(schemas []any, path []string) any { return mergeOnto(&value.Object{}, schemas, path) }

// mergeOnto is mergeAll into an object that may have keywords already, which keep their place.
func mergeOnto(merged *value.Object, schemas []any, path []string) any {
	switch {
	case len(schemas) == 0:
		return nil
	case slices.Contains(schemas, any(false)):
		return false
	case !slices.ContainsFunc(schemas, func(schema any) bool { return schema != true }):
		return true
	}
	keys := keysOf(schemas)
	// An allOf deeper down is taken apart, and its schemas are merged with those around it.
	if slices.Contains(keys, "allOf") {
		return mergeFlat(schemas)
	}
	// Keywords that depend on each other are merged together, after all others; this decides the order of the
	// merged schema's keys.
	for _, key := range keys {
		switch key {
		case "properties", "patternProperties", "additionalProperties", "items", "additionalItems":
		default:
			merged.Set(key, mergeKeyword(key, valuesOf(schemas, key), below(path, key)))
		}
	}
	mergeProperties(merged, schemas, path)
	mergeItems(merged, schemas, path)
	return merged
}

// mergeProperties merges what schemas say of properties. Those of all schemas are allowed, whatever their
// additionalProperties say.
func mergeProperties(merged *value.Object, schemas []any, path []string) {
	// Of schemas that say no more than that all properties are allowed, which is the default, only the first counts.
	var closing []any
	var permissive bool
	for _, each := range schemas {
		schema, isObject := each.(*value.Object)
		v, ok := schema.Get("additionalProperties")
		if value.Equal(v, &value.Object{}) {
			v = true
		}
		saysNothing := isObject && !declares(schema) && (!ok || v == true)
		if ok && (!saysNothing || !permissive) {
			closing = append(closing, v)
		}
		permissive = permissive || saysNothing
	}
	additional := mergeAll(closing, below(path, "additionalProperties"))
	patterns := mergeGroup(valuesOf(schemas, "patternProperties"), below(path, "patternProperties"))
	properties := mergeGroup(valuesOf(schemas, "properties"), below(path, "properties"))
	// Nothing can be under a property whose schema is false, so it goes: then it is not declared any more.
	declared := &value.Object{}
	for key, schema := range entries(properties) {
		if additional != false || schema != false {
			declared.Set(key, schema)
		}
	}
	setSchema(merged, "additionalProperties", additional)
	setSchema(merged, "patternProperties", patterns)
	setSchema(merged, "properties", declared)
}

// mergeItems merges what schemas say of items: each position by itself as soon as one lists positions.
func mergeItems(merged *value.Object, schemas []any, path []string) {
	longest := 0
	for _, v := range valuesOf(schemas, "items") {
		if tuple, ok := v.([]any); ok {
			longest = max(longest, len(tuple))
		}
	}
	if longest == 0 {
		setSchema(merged, "items", mergeAll(valuesOf(schemas, "items"), below(path, "items")))
		return
	}
	items := make([]any, longest)
	for i := range items {
		items[i] = mergeAll(schemasAt(schemas, i), below(path, "items", toString(float64(i))))
	}
	// Where only some schemas list positions, the others' one schema speaks of the items after those, too.
	additional := mergeAll(schemasAt(schemas, longest), below(path, "additionalItems"))
	if additional == false {
		items = slices.DeleteFunc(items, func(schema any) bool { return schema == false })
	}
	merged.Set("items", items)
	setSchema(merged, "additionalItems", additional)
}

// schemasAt returns what schemas say of the item at a position.
func schemasAt(schemas []any, position int) (found []any) {
	for _, v := range schemas {
		schema, _ := v.(*value.Object)
		items, ok := schema.Get("items")
		if tuple, isTuple := items.([]any); isTuple {
			if position < len(tuple) {
				found = append(found, tuple[position])
				continue
			}
			items, ok = schema.Get("additionalItems")
		}
		if ok {
			found = append(found, items)
		}
	}
	return found
}

// setSchema stores a merged schema unless it says nothing.
func setSchema(merged *value.Object, key string, schema any) {
	if object, ok := schema.(*value.Object); schema != nil && (!ok || object.Len() > 0) {
		merged.Set(key, schema)
	}
}

// mergeGroup merges the schemas that there are under each name; lists of required properties, too.
func mergeGroup(groups []any, path []string) *value.Object {
	merged := &value.Object{}
	for _, key := range keysOf(groups) {
		var lists []any
		values := valuesOf(groups, key)
		for i, v := range values {
			if names, ok := v.([]any); ok {
				lists = append(lists, names)
				values[i] = newObject("required", names)
			}
		}
		if len(lists) == len(values) {
			merged.Set(key, union(lists))
		} else {
			merged.Set(key, mergeAll(values, below(path, key)))
		}
	}
	return merged
}

// mergeKeyword merges the values that schemas have under one keyword.
func mergeKeyword(key string, values []any, path []string) any {
	var different []any
	for _, v := range values {
		if !slices.ContainsFunc(different, func(other any) bool { return same(key, v, other) }) {
			different = append(different, v)
		}
	}
	values = different
	switch key {
	case "contains", "propertyNames":
		return mergeAll(values, path)
	case "definitions", "dependencies":
		return mergeGroup(values, path)
	case "not":
		return newObject("anyOf", values)
	}
	if len(values) > 1 {
		return resolve(key, values, path)
	}
	if alternatives, ok := values[0].([]any); ok && (key == "anyOf" || key == "oneOf") {
		out := make([]any, len(alternatives))
		// There is nothing to merge, but there may be an allOf in each alternative. Its keywords keep their order.
		for i, schema := range alternatives {
			base, _ := clone(schema).(*value.Object)
			out[i] = mergeOnto(base, []any{schema}, nil)
		}
		return out
	}
	return values[0]
}

// same tells whether two values of a keyword mean the same: the order of some lists does not matter.
func same(key string, a, b any) bool {
	if key != "required" && key != "enum" && key != "type" {
		return value.Equal(a, b)
	}
	x, y := list(a), list(b)
	return len(x) == len(y) && len(intersect([]any{x, y})) == len(x)
}

// resolve merges different values of a keyword.
func resolve(key string, values []any, path []string) any {
	var merged []any
	switch key {
	// The first schema's word counts for what cannot be merged.
	case "$id", "$ref", "$schema", "default", "description", "title", "examples":
		return values[0]
	case "type":
		if merged = intersect(values); len(merged) == 1 {
			return merged[0]
		}
	case "enum":
		merged = intersect(values)
		slices.SortStableFunc(merged, ascending)
	case "anyOf", "oneOf":
		merged = mergeAlternatives(values)
	case "pattern": // all must match
		var all strings.Builder
		for _, value := range values {
			all.WriteString("(?=" + toString(value) + ")")
		}
		return all.String()
	case "multipleOf":
		return leastCommonMultiple(numbers(values))
	case "maximum", "exclusiveMaximum", "maxItems", "maxLength", "maxProperties":
		return slices.Min(numbers(values))
	case "minimum", "exclusiveMinimum", "minItems", "minLength", "minProperties":
		return slices.Max(numbers(values))
	case "uniqueItems":
		return true
	case "required":
		return union(values)
	case "visibility": // the most specific
		if !slices.Contains(values, any("secret")) {
			return "frontend"
		}
		if slices.Contains(values, any("frontend")) {
			panic(mergeError{"Config schema visibility is both 'frontend' and 'secret' for " + strings.Join(path, "/")})
		}
		return "secret"
	default:
		panic(mergeError{"No resolver found for key " + key + ". You can provide a resolver for this keyword in the " +
			"options, or provide a default resolver."})
	}
	if len(merged) == 0 {
		texts := make([]string, len(values))
		for i, value := range values {
			texts[i] = indentJSON(value)
		}
		panic(mergeError{`Could not resolve values for path:"` + strings.Join(path, ".") +
			"\". They are probably incompatible. Values: \n" + strings.Join(texts, "\n")})
	}
	return merged
}

// mergeAlternatives combines every alternative of each list with every one of the others. Combinations that
// nothing can meet are left out.
func mergeAlternatives(values []any) (merged []any) {
	combinations := [][]any{{}}
	for _, value := range values {
		var next [][]any
		for _, combination := range combinations {
			for _, schema := range list(value) {
				next = append(next, append([]any{schema}, combination...))
			}
		}
		if combinations = next; len(combinations) > maxCombinations {
			panic(mergeError{"too many combinations of alternatives"})
		}
	}
	for _, combination := range combinations {
		if schema, err := mergeSchemas(combination); err == nil && !contains(merged, schema) {
			merged = append(merged, schema)
		}
	}
	return merged
}

// maxCombinations bounds the work on alternatives, whose number is the product of the lists' lengths.
const maxCombinations = 10_000

// intersect returns the items of the first list that are in all; a value by itself is a list of one.
func intersect(lists []any) (common []any) {
	for _, item := range list(lists[0]) {
		lacks := func(other any) bool { return !contains(list(other), item) }
		if !contains(common, item) && !slices.ContainsFunc(lists, lacks) {
			common = append(common, item)
		}
	}
	return common
}

// union returns the different items of lists in ascending order.
func union(lists []any) []any {
	all := []any{}
	for _, names := range lists {
		for _, name := range list(names) {
			if !contains(all, name) {
				all = append(all, name)
			}
		}
	}
	slices.SortStableFunc(all, ascending)
	return all
}

// ascending orders texts and numbers; all else stays where it is.
func ascending(a, b any) int {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case float64:
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
	}
	return 0
}

// numbers returns values that are numbers, 0 for others.
func numbers(values []any) []float64 {
	out := make([]float64, len(values))
	for i, value := range values {
		out[i], _ = value.(float64)
	}
	return out
}

// leastCommonMultiple works on whole numbers, which fractions are scaled to.
func leastCommonMultiple(values []float64) float64 {
	factor := 1.0
	for slices.ContainsFunc(values, func(v float64) bool { return v*factor != math.Trunc(v*factor) }) {
		factor *= 10
	}
	result := values[0] * factor
	for _, value := range values[1:] {
		a, b := result, value*factor
		for b > 0 {
			a, b = b, math.Mod(a, b)
		}
		result = result / a * value * factor
	}
	return result / factor
}

// below returns the path of what is within another.
func below(path []string, keys ...string) []string { return append(slices.Clip(path), keys...) }

// keysOf returns the keys of all objects, in the order in which they are first met.
func keysOf(objects []any) (keys []string) {
	seen := map[string]bool{}
	for _, v := range objects {
		object, _ := v.(*value.Object)
		for key := range entries(object) {
			if !seen[key] {
				seen[key] = true
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// valuesOf returns what those objects have under key that have it.
func valuesOf(objects []any, key string) (values []any) {
	for _, v := range objects {
		object, _ := v.(*value.Object)
		if v, ok := object.Get(key); ok {
			values = append(values, v)
		}
	}
	return values
}
