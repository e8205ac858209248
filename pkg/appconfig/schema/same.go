package schema

import (
	"slices"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// sameSchema reports whether two schemas say the same, as json-schema-compare tells it: the order of some lists does not matter, and some
// keywords may be missing.
func sameSchema(a, b any) bool {
	if saysNothing(a) && saysNothing(b) {
		return true
	}
	one, ok1 := a.(*value.Object)
	two, ok2 := b.(*value.Object)
	if !ok1 || !ok2 {
		return value.Equal(a, b)
	}
	for _, keys := range []*value.Object{one, two} {
		for key := range keys.All() {
			v, has1 := one.Get(key)
			w, has2 := two.Get(key)
			optional := slices.Contains([]string{"properties", "patternProperties", "dependencies", "uniqueItems", "minLength", "minItems", "minProperties", "required"}, key)
			if has1 != has2 && !optional || !sameKeyword(key, v, w) {
				return false
			}
		}
	}
	return true
}

// saysNothing reports whether a schema accepts any value.
func saysNothing(schema any) bool {
	object, ok := schema.(*value.Object)
	return schema == nil || schema == true || ok && object.Len() == 0
}

// sameKeyword reports whether two values of a keyword say the same. A missing one is nil.
func sameKeyword(key string, a, b any) bool {
	if value.Equal(a, b) {
		return true
	}
	switch key {
	case "uniqueItems":
		return (a == nil || a == false) && (b == nil || b == false)
	case "minLength", "minItems", "minProperties":
		return (a == nil || a == 0.0) && (b == nil || b == 0.0)
	case "required", "enum", "type":
		sorted := func(v any) []any {
			return slices.CompactFunc(slices.SortedStableFunc(slices.Values(list(v)), ascending), value.Equal)
		}
		return value.Equal(sorted(a), sorted(b))
	case "additionalProperties", "additionalItems", "contains", "propertyNames", "not":
		return sameSchema(a, b)
	case "anyOf", "allOf", "oneOf":
		return sameSchemas(list(a), list(b)) && sameSchemas(list(b), list(a))
	case "properties", "patternProperties", "dependencies":
		return sameGroup(a, b)
	case "items":
		_, ok1 := a.(*value.Object)
		_, ok2 := b.(*value.Object)
		return ok1 && ok2 && sameSchema(a, b)
	}
	return false
}

// sameSchemas reports whether each of some schemas is among others.
func sameSchemas(some, others []any) bool {
	for _, schema := range some {
		if !slices.ContainsFunc(others, func(other any) bool { return sameSchema(schema, other) }) {
			return false
		}
	}
	return true
}

// sameGroup reports whether two groups have the same names, and say the same under each.
func sameGroup(a, b any) bool {
	one, _ := a.(*value.Object)
	two, _ := b.(*value.Object)
	if one.Len() != two.Len() {
		return false
	}
	for name, v := range one.All() {
		w, ok := two.Get(name)
		_, isList := v.([]any)
		if !ok || isList && !value.Equal(v, w) || !isList && !sameSchema(v, w) {
			return false
		}
	}
	return true
}
