package schema

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// stringAt returns the string under key.
func stringAt(object *value.Object, key string) (string, bool) {
	v, _ := object.Get(key)
	s, ok := v.(string)
	return s, ok
}

// inner returns the object, or the list as an object, under key. It is nil, and so has no keys, if there is none.
func inner(object *value.Object, key string) *value.Object {
	v, _ := object.Get(key)
	return asObject(v)
}

// newObject returns an object of keys and their values.
func newObject(pairs ...any) *value.Object {
	object := &value.Object{}
	for pair := range slices.Chunk(pairs, 2) {
		object.Set(pair[0].(string), pair[1])
	}
	return object
}

// list returns a list as it is, nil as an empty list, and any other value as a list of one.
func list(v any) []any {
	items, ok := v.([]any)
	if !ok && v != nil {
		return []any{v}
	}
	return items
}

// asObject returns an object as it is, a list as the object of its items by their index, and nil for any other value.
func asObject(v any) *value.Object {
	object, _ := v.(*value.Object)
	if items, isList := v.([]any); isList {
		object = value.NewObject(len(items))
		for i, item := range items {
			object.Set(strconv.Itoa(i), item)
		}
	}
	return object
}

// contains reports whether a value is in a list.
func contains(list []any, v any) bool {
	return slices.ContainsFunc(list, func(item any) bool { return value.Equal(item, v) })
}

// joinKey returns the key in a Config of a property.
func joinKey(key, property string) string { return strings.TrimPrefix(key+"."+property, ".") }

// escapePointer escapes a key for a JSON pointer; unescapePointer is the reverse.
var (
	escapePointer   = strings.NewReplacer("~", "~0", "/", "~1").Replace
	unescapePointer = strings.NewReplacer("~0", "~", "~1", "/").Replace
)

var brackets = regexp.MustCompile("\\['?([^\\n\\r\u2028\u2029]*?)'?\\]")

// normalizePath is Backstage's normalizeAjvPath. As in Backstage, it changes keys that contain a tilde or brackets.
func normalizePath(path string) string {
	return brackets.ReplaceAllString(strings.ReplaceAll(path, "~1", "/"), "/$1")
}
