package appconfig

import (
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// lookup returns the value under key of the topmost layer that has one, or nil if there is none or it is null. A
// value of another type than wanted is an error. If an array is wanted, item reports whether it may have an item.
func (c *Config) lookup(key, wanted string, item func(any) bool) (any, error) {
	v, layer, err := c.topmost(key)
	if v == nil || err != nil {
		return nil, err
	}
	if bad, i := misfit(v, wanted, item); bad {
		full := c.fullKey(key)
		if i >= 0 {
			full += "[" + strconv.Itoa(i) + "]"
			v = v.([]any)[i]
		}
		return nil, &TypeError{full, layer, typeOf(v), wanted}
	}
	return v, nil
}

// topmost returns the value under key of the topmost layer that has one, and that layer's name.
func (c *Config) topmost(key string) (v any, layer string, err error) {
	if !validKey(key) {
		return nil, "", &InvalidKeyError{key}
	}
	found, rest := c.index.find(key)
	switch {
	case found == nil || rest != "" && found.value == nil:
		return nil, "", nil
	case rest != "":
		return nil, "", c.notObject(key, rest, found.layer, found.value)
	}
	return found.value, found.layer, nil
}

// notObject returns the error for a value on the way to key that is not an object. rest is the part of key below it.
func (c *Config) notObject(key, rest, layer string, v any) error {
	at := strings.TrimSuffix(key[:len(key)-len(rest)], ".")
	return &TypeError{c.fullKey(at), layer, typeOf(v), "object"}
}

// misfit reports whether v has another type than wanted, and the index of the wrong item in an array, or -1.
func misfit(v any, wanted string, item func(any) bool) (bad bool, index int) {
	switch v := v.(type) {
	case []any:
		if item == nil {
			return true, -1
		}
		index = slices.IndexFunc(v, func(v any) bool { return !item(v) })
		return index >= 0, index
	case string:
		return item != nil || wanted == "string" && v == "", -1
	case float64:
		return wanted != "number" && wanted != "boolean", -1
	case bool:
		return wanted != "boolean", -1
	}
	return true, -1
}

func (c *Config) fullKey(key string) string {
	if c.prefix == "" {
		return key
	}
	return c.prefix + "." + key
}

// value returns what this layer has under key, and whether it has anything there. A null on the way counts as a null
// under key.
func (c *Config) value(key string) (v any, found bool, err error) {
	if !validKey(key) {
		return nil, false, &InvalidKeyError{key}
	}
	if c.data == nil {
		return nil, false, nil
	}
	v = c.data
	for rest := key; rest != ""; {
		part, tail, _ := strings.Cut(rest, ".")
		object, ok := v.(*value.Object)
		switch {
		case ok:
			if v, found = object.Get(part); !found {
				return nil, false, nil
			}
		case v == nil:
			return nil, true, nil
		default:
			return nil, false, c.notObject(key, rest, c.layer, v)
		}
		rest = tail
	}
	return v, true, nil
}

// validKey reports whether every part of a dotted key is /^[a-z][a-z0-9]*(?:[-_:][a-z0-9]+)*$/i; "" is valid.
func validKey(key string) bool {
	const separators = "-_:."
	before := byte('.')
	for i := range len(key) {
		ch := key[i]
		switch {
		case ch|0x20 >= 'a' && ch|0x20 <= 'z':
		case ch >= '0' && ch <= '9':
			if before == '.' {
				return false
			}
		case strings.IndexByte(separators, ch) < 0, strings.IndexByte(separators, before) >= 0:
			return false
		}
		before = ch
	}
	return key == "" || strings.IndexByte(separators, before) < 0
}

// merge overlays v on below, itself a result of merge, and drops nulls inside objects. It shares the parts that need
// no change.
func merge(v, below any) any {
	object, ok := v.(*value.Object)
	if !ok {
		return v
	}
	from, _ := below.(*value.Object)
	if from.Len() == 0 && !hasNull(object) {
		return v
	}
	out := value.NewObject(object.Len() + from.Len())
	for key, item := range object.All() {
		if item != nil {
			under, _ := from.Get(key)
			out.SetAt(key, merge(item, under), object.Position(key))
		}
	}
	for key, item := range from.All() {
		if !object.Has(key) {
			out.SetAt(key, item, from.Position(key))
		}
	}
	return out
}

// hasNull reports whether an object, or an object in it, has a null. Nulls in arrays do not count.
func hasNull(object *value.Object) bool {
	for _, v := range object.All() {
		switch v := v.(type) {
		case nil:
			return true
		case *value.Object:
			if hasNull(v) {
				return true
			}
		}
	}
	return false
}
