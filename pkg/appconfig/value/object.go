package value

import (
	"iter"
	"slices"

	"github.com/understudy-host/understudy/pkg/js"
)

// Object is a JSON object whose keys come in the order JavaScript gives them: integer-like keys first, in
// numeric order, then the others in the order of their insertion. The zero value is an empty object, and a nil one
// can be read like it.
type Object struct {
	entries []entry
	index   map[string]int // place of each key in entries; nil while there are few
	ints    bool           // some key is integer-like
}

type entry struct {
	key   string
	value any
	pos   Position
}

// indexFrom is the number of keys from which a map is faster than a scan.
const indexFrom = 9

// NewObject returns an empty object with room for a number of keys.
func NewObject(size int) *Object { return &Object{entries: make([]entry, 0, size)} }

// Set stores value under key. An existing key keeps its place.
func (o *Object) Set(key string, value any) { o.SetAt(key, value, Position{}) }

// SetAt is Set for a value that was read at a position.
func (o *Object) SetAt(key string, value any, pos Position) {
	if i := o.find(key); i >= 0 {
		o.entries[i].value, o.entries[i].pos = value, pos
		return
	}
	o.entries = append(o.entries, entry{key, value, pos})
	if _, ok := js.ArrayIndex(key); ok {
		o.ints = true
	}
	if o.index != nil {
		o.index[key] = len(o.entries) - 1
	} else if len(o.entries) >= indexFrom {
		o.index = make(map[string]int, cap(o.entries))
		for i := range o.entries {
			o.index[o.entries[i].key] = i
		}
	}
}

// find returns the place of key in o.entries, or -1.
func (o *Object) find(key string) int {
	if o == nil {
		return -1
	}
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range o.entries {
		if o.entries[i].key == key {
			return i
		}
	}
	return -1
}

// Get returns the value under key, and whether the key exists.
func (o *Object) Get(key string) (any, bool) {
	if i := o.find(key); i >= 0 {
		return o.entries[i].value, true
	}
	return nil, false
}

// Has reports whether the key exists.
func (o *Object) Has(key string) bool { return o.find(key) >= 0 }

// Position returns where the value under key was read.
func (o *Object) Position(key string) Position {
	if i := o.find(key); i >= 0 {
		return o.entries[i].pos
	}
	return Position{}
}

// Len returns the number of keys.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.entries)
}

// Keys returns the keys in JavaScript's order, in a slice of their own.
func (o *Object) Keys() []string {
	keys := make([]string, 0, o.Len())
	for key := range o.All() {
		keys = append(keys, key)
	}
	return keys
}

// All yields the keys and values in JavaScript's order. It does not yield keys that are added meanwhile.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if o == nil {
			return
		}
		entries := o.entries
		if o.ints {
			entries = slices.Clone(entries)
			slices.SortStableFunc(entries, func(a, b entry) int { return compareKeys(a.key, b.key) })
		}
		for i := range entries {
			if !yield(entries[i].key, entries[i].value) {
				return
			}
		}
	}
}

// compareKeys orders keys as JavaScript does: integer-like ones first, all others unchanged.
func compareKeys(a, b string) int {
	x, xInt := js.ArrayIndex(a)
	y, yInt := js.ArrayIndex(b)
	switch {
	case xInt && yInt:
		return int(x) - int(y)
	case xInt:
		return -1
	case yInt:
		return 1
	}
	return 0
}
