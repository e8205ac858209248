// Package value has the values of a configuration: ordered objects, the positions at which values were read, and the
// JSON that they are read from and written as.
//
// A value is one of nil, bool, float64, string, []any and *Object, and so are its parts. The values of a loaded
// configuration are shared and must not be changed.
package value

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
)

// Limits on what is read. Anything larger is refused with an error.
const (
	MaxFileSize = 2 << 20 // bytes of a file, an included one or a remote document
	MaxDepth    = 500     // of nesting
	MaxValues   = 100_000 // in a document, aliases followed
)

// Equal reports whether two values are equal, whatever the order of keys. NaN equals NaN.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for key, item := range x.All() {
			if other, ok := y.Get(key); !ok || !Equal(item, other) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	case float64:
		y, ok := b.(float64)
		return ok && (x == y || math.IsNaN(x) && math.IsNaN(y))
	}
	return a == b
}

// TypeOf returns the JSON type of a value.
func TypeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// Clone returns a deep copy of a value, without positions.
func Clone(v any) any {
	switch v := v.(type) {
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = Clone(item)
		}
		return items
	case *Object:
		object := NewObject(v.Len())
		for key, item := range v.All() {
			object.Set(key, Clone(item))
		}
		return object
	}
	return v
}

// FromMap converts a map to an object with sorted keys. Numbers of all kinds become float64, maps of all kinds
// objects, and slices of all kinds arrays. Any other value becomes the string of its MarshalText, or that of
// fmt.Sprint.
func FromMap(m map[string]any) *Object { return ReadMap(m, nil) }

// ReadMap is FromMap for a map that was read from a source.
func ReadMap(m map[string]any, from *Source) *Object {
	o := &Object{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		o.SetAt(key, convert(m[key], from), Position{Source: from})
	}
	return o
}

func convert(v any, from *Source) any {
	switch v := v.(type) {
	case nil, bool, float64, string, *Object:
		return v
	case []byte:
		return string(v)
	case encoding.TextMarshaler:
		if text, err := v.MarshalText(); err == nil {
			return string(text)
		}
	}
	switch r := reflect.ValueOf(v); {
	case r.Kind() == reflect.Bool:
		return r.Bool()
	case r.Kind() == reflect.String:
		return r.String()
	case r.CanInt():
		return float64(r.Int())
	case r.CanUint():
		return float64(r.Uint())
	case r.CanFloat():
		return r.Float()
	case r.Kind() == reflect.Slice:
		items := make([]any, r.Len())
		for i := range items {
			items[i] = convert(r.Index(i).Interface(), from)
		}
		return items
	case r.Kind() == reflect.Map:
		m := make(map[string]any, r.Len())
		for key, item := range r.Seq2() {
			m[fmt.Sprint(key.Interface())] = item.Interface()
		}
		return ReadMap(m, from)
	}
	return fmt.Sprint(v)
}

// Map is the reverse of FromMap: it returns a deep copy of the object as plain maps and slices.
func (o *Object) Map() map[string]any {
	m := make(map[string]any, o.Len())
	for key, item := range o.All() {
		m[key] = plain(item)
	}
	return m
}

func plain(v any) any {
	switch v := v.(type) {
	case *Object:
		return v.Map()
	case []any:
		items := make([]any, len(v))
		for i := range v {
			items[i] = plain(v[i])
		}
		return items
	}
	return v
}
