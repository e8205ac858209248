package schema

import (
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// mergeSchemas merges schemas as Backstage does with json-schema-merge-allof 0.8.1: the result takes what
// all of them take, except that the properties of all are allowed.
func mergeSchemas(schemas []any) (merged any, err error) {
	defer func() {
		switch problem := recover().(type) {
		case nil:
		case mergeError:
			err = problem
		default:
			panic(problem)
		}
	}()
	return mergeAllOf(schemas), nil
}

// A mergeError is thrown where schemas contradict each other. An alternative in which they do is left out.
type mergeError struct{ problem string }

func (e mergeError) Error() string { return e.problem }

// absent stands for a keyword that a schema lacks.
type absent struct{}

// mergeAllOf merges schemas and whatever is in their allOf. Paths in errors start again here.
func mergeAllOf(schemas []any) any {
	all := []any{&appconfig.Object{}}
	for _, schema := range schemas {
		all = append(all, flattenAllOf(schema)...)
	}
	return mergeAll(all, nil, nil)
}

// flattenAllOf returns a schema without its allOf, and then the schemas of that.
func flattenAllOf(schema any) []any {
	object, ok := schema.(*appconfig.Object)
	if !ok {
		return []any{schema}
	}
	rest := &appconfig.Object{}
	list := []any{rest}
	for _, key := range object.Keys() {
		value, _ := object.Get(key)
		inner, ok := value.([]any)
		if key != "allOf" || !ok {
			rest.Set(key, value)
			continue
		}
		for _, schema := range inner {
			list = append(list, flattenAllOf(schema)...)
		}
	}
	return list
}

// Keywords that hold one schema, or schemas by name.
var (
	schemaKeywords = []string{"additionalProperties", "additionalItems", "contains", "propertyNames", "not", "items"}
	groupKeywords  = []string{"properties", "patternProperties", "definitions", "dependencies"}

	propertyKeywords = []string{"properties", "patternProperties", "additionalProperties"}
	itemKeywords     = []string{"items", "additionalItems"}
)

// mergeAll merges schemas that have no allOf between them, into a copy of base if there is one. It returns
// absent{} where there are none. path tells errors where the schemas are.
func mergeAll(schemas []any, base *appconfig.Object, path []string) any {
	schemas = slices.DeleteFunc(slices.Clone(schemas), isAbsent)
	switch {
	case len(schemas) == 0:
		return absent{}
	case slices.Contains(schemas, any(false)):
		return false
	case !slices.ContainsFunc(schemas, func(s any) bool { return s != true }):
		return true
	}
	objects := make([]*appconfig.Object, 0, len(schemas))
	for _, schema := range schemas {
		if object, ok := schema.(*appconfig.Object); ok {
			objects = append(objects, object)
		}
	}
	keys := keysOf(objects)
	// An allOf deeper down is taken apart, and its schemas are merged with those around it.
	if slices.Contains(keys, "allOf") {
		return mergeAllOf(schemas)
	}
	merged := &appconfig.Object{}
	if base != nil {
		merged = clone(base).(*appconfig.Object)
	}
	// Keywords that depend on each other are merged together, after all others; this decides the order of the
	// merged schema's keys, and that decides the order in which a configuration's problems are reported.
	var forProperties, forItems []string
	for _, key := range keys {
		switch {
		case slices.Contains(propertyKeywords, key):
			forProperties = append(forProperties, key)
		case slices.Contains(itemKeywords, key):
			forItems = append(forItems, key)
		default:
			merged.Set(key, mergeKeyword(key, valuesOf(objects, key), path))
		}
	}
	if len(forProperties) > 0 {
		mergeProperties(merged, extract(objects, forProperties), path)
	}
	if len(forItems) > 0 {
		mergeItems(merged, extract(objects, forItems), path)
	}
	return merged
}

// mergeKeyword merges the values that schemas have under one keyword.
func mergeKeyword(key string, values []any, path []string) any {
	values = unique(values, func(a, b any) bool { return similarUnder(key, a, b) })
	if len(values) == 1 {
		list, isList := values[0].([]any)
		switch {
		case isList && (key == "anyOf" || key == "oneOf"):
			out := make([]any, len(list))
			// There is nothing to merge, but there may be an allOf in each alternative.
			for i, schema := range list {
				base, _ := schema.(*appconfig.Object)
				out[i] = mergeAll([]any{schema}, base, nil)
			}
			return out
		case !slices.Contains(groupKeywords, key) && !slices.Contains(schemaKeywords, key):
			return values[0]
		}
	}
	at := append(slices.Clip(path), key)
	merged := resolve(key, values, at)
	if isAbsent(merged) {
		incompatible(values, at)
	}
	return merged
}

// incompatible throws the error for values that cannot be merged.
func incompatible(values []any, path []string) {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = indentJSON(value)
	}
	panic(mergeError{`Could not resolve values for path:"` + strings.Join(path, ".") +
		"\". They are probably incompatible. Values: \n" + strings.Join(texts, "\n")})
}

// mergeAlternatives combines every alternative of each list with every one of the others. Combinations that
// nothing can meet are left out.
func mergeAlternatives(values []any, path []string) any {
	combinations := [][]any{{}}
	for _, value := range values {
		list, _ := value.([]any)
		var next [][]any
		for _, combination := range combinations {
			for _, schema := range list {
				next = append(next, append([]any{schema}, combination...))
			}
		}
		if combinations = next; len(combinations) > maxCombinations {
			panic(mergeError{"too many combinations of alternatives at " + strings.Join(path, "/")})
		}
	}
	var merged []any
	for i, combination := range combinations {
		if schema, ok := tryMerge(combination, append(slices.Clip(path), strconv.Itoa(i))); ok {
			merged = append(merged, schema)
		}
	}
	if merged = unique(merged, similar); len(merged) == 0 {
		return absent{}
	}
	return merged
}

// maxCombinations bounds the work on alternatives, whose number is the product of the lists' lengths.
const maxCombinations = 10_000

// tryMerge merges one combination of alternatives, and tells whether the schemas agree.
func tryMerge(schemas []any, path []string) (merged any, ok bool) {
	defer func() {
		if problem := recover(); problem != nil {
			if _, isMergeError := problem.(mergeError); !isMergeError {
				panic(problem)
			}
			merged, ok = nil, false
		}
	}()
	merged = mergeAll(schemas, nil, path)
	return merged, !isAbsent(merged)
}

// mergeDependencies merges objects of schemas, or of lists of required properties.
func mergeDependencies(values []any, path []string) any {
	objects := objectsOf(values)
	merged := &appconfig.Object{}
	for _, key := range keysOf(objects) {
		schemas := unique(valuesOf(objects, key), appconfig.Equal)
		lists := slices.DeleteFunc(slices.Clone(schemas), func(v any) bool { _, ok := v.([]any); return !ok })
		switch {
		case len(lists) == 0:
			merged.Set(key, mergeAll(unique(schemas, similar), nil, append(slices.Clip(path), key)))
			continue
		case len(lists) == len(schemas):
			merged.Set(key, sortedTexts(lists))
			continue
		}
		both := slices.DeleteFunc(schemas, func(v any) bool { _, ok := v.([]any); return ok })
		for _, list := range lists {
			required := &appconfig.Object{}
			required.Set("required", list)
			both = append(both, required)
		}
		merged.Set(key, mergeAll(both, nil, append(slices.Clip(path), key)))
	}
	return merged
}

// mergeProperties merges what schemas say of properties. Those of all schemas are allowed, whatever their
// additionalProperties say.
func mergeProperties(merged *appconfig.Object, schemas []*appconfig.Object, path []string) {
	at := append(slices.Clip(path), "additionalProperties")
	additional := mergeAll(valuesOf(schemas, "additionalProperties"), nil, at)
	patterns := mergeGroup(schemas, "patternProperties", path)
	properties := mergeGroup(schemas, "properties", path)
	// Nothing can be under a property whose schema is false, so it goes: then it is not declared any more.
	if additional == false {
		properties = without(properties, false)
	}
	setSchema(merged, "additionalProperties", additional)
	setSchema(merged, "patternProperties", patterns)
	setSchema(merged, "properties", properties)
}

// mergeGroup merges the schemas that there are under each name.
func mergeGroup(schemas []*appconfig.Object, keyword string, path []string) *appconfig.Object {
	groups := objectsOf(valuesOf(schemas, keyword))
	merged := &appconfig.Object{}
	for _, key := range keysOf(groups) {
		schemas := unique(valuesOf(groups, key), similar)
		merged.Set(key, mergeAll(schemas, nil, append(slices.Clip(path), keyword, key)))
	}
	return merged
}

// mergeItems merges what schemas say of items: each position by itself as soon as one lists positions.
func mergeItems(merged *appconfig.Object, schemas []*appconfig.Object, path []string) {
	at := append(slices.Clip(path), "items")
	tuples, longest, given := 0, 0, 0
	for _, value := range valuesOf(schemas, "items") {
		given++
		if tuple, ok := value.([]any); ok {
			tuples, longest = tuples+1, max(longest, len(tuple))
		}
	}
	if tuples == 0 {
		setSchema(merged, "items", mergeAll(valuesOf(schemas, "items"), nil, at))
		if given > 0 {
			return
		}
	}
	items := make([]any, longest)
	for i := range items {
		atIndex := append(slices.Clip(at), strconv.Itoa(i))
		items[i] = mergeAll(unique(schemasAt(schemas, i), similar), nil, atIndex)
	}
	// Where only some schemas list positions, the others' one schema speaks of the items after those, too.
	rest := valuesOf(schemas, "additionalItems")
	if tuples < given {
		rest = schemasAt(schemas, longest)
	}
	additional := mergeAll(rest, nil, append(slices.Clip(path), "additionalItems"))
	if additional == false {
		items = slices.DeleteFunc(items, func(schema any) bool { return schema == false })
	}
	if len(items) > 0 {
		merged.Set("items", items)
	}
	setSchema(merged, "additionalItems", additional)
}

// schemasAt returns what schemas say of the item at a position.
func schemasAt(schemas []*appconfig.Object, position int) (found []any) {
	for _, schema := range schemas {
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
func setSchema(merged *appconfig.Object, key string, schema any) {
	if object, ok := schema.(*appconfig.Object); !isAbsent(schema) && (!ok || object.Len() > 0) {
		merged.Set(key, schema)
	}
}
