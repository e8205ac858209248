package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// mergeSchemas merges schemas as Backstage does with json-schema-merge-allof 0.8.1: the result accepts what all
// of them accept, except that the properties of all are allowed. What is not merged here is an *unmergeableError.
func mergeSchemas(schemas []any) (any, error) {
	m := &merger{}
	merged := m.merge(withEmpty(schemas), nil)
	return merged, m.err
}

// An unmergeableError says that two values of a keyword cannot be merged: no two plugins are known to need it.
type unmergeableError struct{ path string }

func (e *unmergeableError) Error() string {
	return "different values for the keyword " + e.path + ", which cannot be merged: keep one of them or make them equal"
}

// nameSources adds the names of the sources that it is about to an *unmergeableError.
func nameSources(err error, sources []Source, schemas []any) error {
	name := func(i int) string { return cmp.Or(sources[i].PackageName, sources[i].Path) }
	for i := range schemas {
		for j := i; j >= 0 && errors.As(err, new(*unmergeableError)); j-- {
			if _, err := mergeSchemas([]any{schemas[j], schemas[i]}); errors.As(err, new(*unmergeableError)) {
				names := slices.Compact([]string{name(j), name(i)})
				return fmt.Errorf("the schemas of %s have %w", strings.Join(names, " and "), err)
			}
		}
	}
	return err
}

// A merger merges schemas. Its methods go on after a conflict; err is the first one.
type merger struct{ err error }

// fail keeps the error, unless there was one before, and returns no value.
func (m *merger) fail(err error) any {
	m.err = cmp.Or(m.err, err)
	return nil
}

// withEmpty returns schemas after an empty one: no schemas accept any value.
func withEmpty(schemas []any) []any { return append([]any{&value.Object{}}, schemas...) }

// flatten returns schemas, each followed by the schemas of its allOf.
func flatten(schemas []any) (all []any) {
	for _, schema := range schemas {
		object, _ := schema.(*value.Object)
		inner, _ := object.Get("allOf")
		all = append(append(all, schema), flatten(list(inner))...)
	}
	return all
}

// merge merges schemas. It returns nil for no schemas. path says in errors where the schemas are.
func (m *merger) merge(schemas []any, path []string) any {
	return m.mergeInto(&value.Object{}, schemas, path)
}

// mergeInto is merge into an object that may have keywords already, which keep their place.
func (m *merger) mergeInto(merged *value.Object, schemas []any, path []string) any {
	// The schemas of an inner allOf are merged with those around it. Paths in errors start again, as in Backstage.
	if all := flatten(schemas); len(all) > len(schemas) {
		merged, schemas, path = &value.Object{}, withEmpty(all), nil
	}
	switch {
	case len(schemas) == 0:
		return nil
	case slices.Contains(schemas, any(false)):
		return false
	case !slices.ContainsFunc(schemas, func(schema any) bool { return schema != true }):
		return true
	}
	// Keywords that depend on each other are merged together, after all others. This decides the order of keys.
	keys, values := gather(schemas)
	for _, key := range keys {
		switch key {
		case "allOf", "properties", "patternProperties", "additionalProperties", "items", "additionalItems":
		default:
			merged.Set(key, m.mergeKeyword(key, values[key], below(path, key)))
		}
	}
	m.mergeProperties(merged, schemas, values, path)
	for _, key := range []string{"items", "additionalItems"} {
		setSchema(merged, key, m.mergeKeyword(key, values[key], below(path, key)))
	}
	return merged
}

// mergeProperties merges what schemas say about properties. values are those of all their keywords. The properties of
// all schemas are allowed, whatever additionalProperties say.
func (m *merger) mergeProperties(merged *value.Object, schemas []any, values map[string][]any, path []string) {
	additional := m.merge(additionalOf(schemas), below(path, "additionalProperties"))
	setSchema(merged, "additionalProperties", additional)
	patterns := m.mergeGroup(values["patternProperties"], below(path, "patternProperties"))
	setSchema(merged, "patternProperties", patterns)
	// A property whose schema is false is removed: additionalProperties forbids it as well.
	declared := &value.Object{}
	for key, schema := range m.mergeGroup(values["properties"], below(path, "properties")).All() {
		if additional != false || schema != false {
			declared.Set(key, schema)
		}
	}
	setSchema(merged, "properties", declared)
}

// additionalOf returns the values of additionalProperties that count. Of schemas that only say what is the default,
// that all properties are allowed, it is the first.
func additionalOf(schemas []any) (found []any) {
	permissive := false
	for _, each := range schemas {
		schema, isObject := each.(*value.Object)
		v, ok := schema.Get("additionalProperties")
		if value.Equal(v, &value.Object{}) {
			v = true
		}
		saysNothing := isObject && !declares(schema) && (!ok || v == true)
		if ok && (!saysNothing || !permissive) {
			found = append(found, v)
		}
		permissive = permissive || saysNothing
	}
	return found
}

// setSchema stores a merged schema, unless it says nothing.
func setSchema(merged *value.Object, key string, schema any) {
	if object, ok := schema.(*value.Object); schema != nil && (!ok || object.Len() > 0) {
		merged.Set(key, schema)
	}
}

// mergeGroup merges the schemas under each name.
func (m *merger) mergeGroup(groups []any, path []string) *value.Object {
	merged := &value.Object{}
	keys, schemas := gather(groups)
	for _, key := range keys {
		merged.Set(key, m.merge(schemas[key], below(path, key)))
	}
	return merged
}

// mergeKeyword merges the values of one keyword. It returns nil for no values.
func (m *merger) mergeKeyword(key string, values []any, path []string) any {
	values = distinct(key, values)
	isList := func(v any) bool { _, ok := v.([]any); return ok }
	switch {
	case slices.Contains([]string{"additionalItems", "contains", "propertyNames"}, key),
		key == "items" && !slices.ContainsFunc(values, isList):
		return m.merge(values, path)
	case key == "definitions":
		return m.mergeGroup(values, path)
	case key == "not":
		return newObject("anyOf", values)
	case len(values) > 1:
		return m.resolve(key, values, path)
	case key != "anyOf" && key != "oneOf" && key != "items":
		return values[0]
	}
	// Each schema of a list is merged alone, because it may have an allOf. Its keywords keep their order.
	schemas := slices.Clone(list(values[0]))
	for i, schema := range schemas {
		base, _ := value.Clone(schema).(*value.Object)
		schemas[i] = m.mergeInto(base, []any{schema}, nil)
	}
	return schemas
}

// below returns the path extended by keys.
func below(path []string, keys ...string) []string { return append(slices.Clip(path), keys...) }

// gather returns the keys of all objects, in the order of their first appearance, and the values under each.
func gather(objects []any) (keys []string, values map[string][]any) {
	values = map[string][]any{}
	for _, v := range objects {
		object, _ := v.(*value.Object)
		for key, v := range object.All() {
			if values[key] == nil {
				keys = append(keys, key)
			}
			values[key] = append(values[key], v)
		}
	}
	return keys, values
}

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
	case "anyOf", "oneOf":
		common = m.combine(values, path)
	case "pattern":
		var both strings.Builder
		for _, pattern := range values {
			fmt.Fprintf(&both, "(?=%s)", pattern)
		}
		return both.String()
	case "dependencies", "items", "multipleOf":
		return m.fail(&unmergeableError{strings.Join(path, ".")})
	default:
		return m.fail(fmt.Errorf("No resolver found for key %s. You can provide a resolver for this keyword in the "+
			"options, or provide a default resolver.", key))
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

// combine merges lists of alternatives: each of one list with each of the others, but those that contradict each other.
func (m *merger) combine(lists []any, path []string) (merged []any) {
	combinations := [][]any{nil}
	for _, alternatives := range lists {
		var longer [][]any
		for _, combination := range combinations {
			for _, schema := range list(alternatives) {
				longer = append(longer, append([]any{schema}, combination...))
			}
		}
		if combinations = longer; len(combinations) > maxCombinations {
			m.fail(fmt.Errorf("the lists under %s have more than %d combinations", strings.Join(path, "."), maxCombinations))
			return nil
		}
	}
	for _, combination := range combinations {
		alone := &merger{}
		one := alone.merge(combination, nil)
		if errors.As(alone.err, new(*unmergeableError)) {
			m.fail(alone.err)
		}
		same := func(other any) bool { return sameSchema(one, other) }
		if alone.err == nil && !slices.ContainsFunc(merged, same) {
			merged = append(merged, one)
		}
	}
	return merged
}

// maxCombinations limits what lists of alternatives are multiplied to.
const maxCombinations = 10_000

// distinct returns the values of a keyword that differ.
func distinct(key string, values []any) (different []any) {
	for _, v := range values {
		same := func(other any) bool { return sameKeyword(key, v, other) }
		if !slices.ContainsFunc(different, same) {
			different = append(different, v)
		}
	}
	return different
}

// intersect returns the items of the first list that are in all lists. A single value is a list of one.
func intersect(lists []any) []any {
	common := slices.Clone(list(lists[0]))
	for _, other := range lists[1:] {
		common = slices.DeleteFunc(common, func(item any) bool { return !contains(list(other), item) })
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
