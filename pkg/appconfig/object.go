package appconfig

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// Object is a JSON object whose keys come in the order JavaScript gives them: integer-like keys first, in
// numeric order, then the others in the order of their insertion. The zero value is an empty object.
//
// A config value is one of nil, bool, float64, string, []any and *Object, and so are its parts. Values that
// a loaded configuration hands out are shared: nobody changes them.
type Object struct {
	keys   []string // in insertion order, integer-like ones included
	values map[string]any
	ints   int // how many of keys are integer-like
}

// Set stores value under key. A key that is there keeps its place.
func (o *Object) Set(key string, value any) {
	if o.values == nil {
		o.values = make(map[string]any)
	}
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
		if _, ok := arrayIndex(key); ok {
			o.ints++
		}
	}
	o.values[key] = value
}

// Get returns the value under key, and whether the key is there.
func (o *Object) Get(key string) (any, bool) {
	value, ok := o.values[key]
	return value, ok
}

// Len returns the number of keys.
func (o *Object) Len() int { return len(o.keys) }

// Keys returns the keys in JavaScript's order. The caller must not change the slice.
func (o *Object) Keys() []string {
	if o.ints == 0 {
		return o.keys
	}
	ints, rest := make([]string, 0, len(o.keys)), make([]string, 0, len(o.keys)-o.ints)
	for _, key := range o.keys {
		if _, ok := arrayIndex(key); ok {
			ints = append(ints, key)
		} else {
			rest = append(rest, key)
		}
	}
	slices.SortFunc(ints, func(a, b string) int {
		x, _ := arrayIndex(a)
		y, _ := arrayIndex(b)
		return int(x) - int(y)
	})
	return append(ints, rest...)
}

// MarshalJSON writes the object with its keys in order, as JSON.stringify does.
func (o *Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.Keys() {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, part := range []any{key, o.values[key]} {
			text, err := json.Marshal(part)
			if err != nil {
				return nil, err
			}
			if j == 1 {
				b.WriteByte(':')
			}
			b.Write(text)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// arrayIndex tells whether key is what ECMAScript calls an array index: the canonical form of an integer
// from 0 to 2³²−2.
func arrayIndex(key string) (uint64, bool) {
	if key == "" || len(key) > 10 || key[0] < '0' || key[0] > '9' || (key[0] == '0' && len(key) > 1) {
		return 0, false
	}
	n, err := strconv.ParseUint(key, 10, 64)
	return n, err == nil && n < math.MaxUint32
}
