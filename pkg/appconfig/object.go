package appconfig

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Object is a JSON object whose keys come in the order JavaScript gives them: integer-like keys first, in
// numeric order, then the others in the order of their insertion. The zero value is an empty object.
//
// A config value is one of nil, bool, float64, string, []any and *Object, and so are its parts. Values that
// a loaded configuration hands out are shared: nobody changes them.
type Object struct {
	entries []entry
	index   map[string]int // place of each key in entries; nil while there are few
	ints    bool           // some key is integer-like
}

type entry struct {
	key   string
	value any
	pos   position // where the value came from
}

// indexFrom is the number of keys from which a map finds one faster than a look at each.
const indexFrom = 9

// Set stores value under key. A key that is there keeps its place.
func (o *Object) Set(key string, value any) { o.set(key, value, position{}) }

func (o *Object) set(key string, value any, pos position) {
	if i := o.find(key); i >= 0 {
		o.entries[i].value, o.entries[i].pos = value, pos
		return
	}
	o.entries = append(o.entries, entry{key, value, pos})
	if _, ok := arrayIndex(key); ok {
		o.ints = true
	}
	if o.index != nil {
		o.index[key] = len(o.entries) - 1
	} else if len(o.entries) >= indexFrom {
		o.reindex()
	}
}

// find returns the place of key in o.entries, or -1. It is safe on a nil object.
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

// Get returns the value under key, and whether the key is there.
func (o *Object) Get(key string) (any, bool) {
	if i := o.find(key); i >= 0 {
		return o.entries[i].value, true
	}
	return nil, false
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
	if o == nil {
		return nil
	}
	keys := make([]string, len(o.entries))
	for i := range o.entries {
		keys[i] = o.entries[i].key
	}
	if o.ints {
		slices.SortStableFunc(keys, compareKeys)
	}
	return keys
}

// compareKeys orders keys as JavaScript does: integer-like ones first, all others as they are.
func compareKeys(a, b string) int {
	x, xInt := arrayIndex(a)
	y, yInt := arrayIndex(b)
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

// MarshalJSON writes the object with its keys in order, as JSON.stringify does: a number that JSON cannot
// hold becomes null, and no character is escaped for HTML's sake.
func (o *Object) MarshalJSON() ([]byte, error) { return FormatJSON(o), nil }

func writeJSON(b *bytes.Buffer, value any) {
	switch v := value.(type) {
	case *Object:
		b.WriteByte('{')
		for i, key := range v.Keys() {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, key)
			b.WriteByte(':')
			item, _ := v.Get(key)
			writeJSON(b, item)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, item)
		}
		b.WriteByte(']')
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b.WriteString("null")
		} else {
			b.WriteString(formatNumber(v))
		}
	default:
		start := b.Len()
		encoder := json.NewEncoder(b)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(value) != nil {
			b.WriteString("null\n") // not a config value
		}
		b.Truncate(b.Len() - 1) // the newline that Encode adds
		if text, ok := value.(string); ok && strings.ContainsAny(text, "\u2028\u2029") {
			plain := lineSeparators.Replace(string(b.Bytes()[start:]))
			b.Truncate(start)
			b.WriteString(plain)
		}
	}
}

// lineSeparators undoes escapes that encoding/json makes and JSON.stringify does not, next to no other escape.
var lineSeparators = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")

// formatNumber writes a number as JavaScript's String does.
func formatNumber(n float64) string {
	switch {
	case math.IsNaN(n):
		return "NaN"
	case math.IsInf(n, 1):
		return "Infinity"
	case math.IsInf(n, -1):
		return "-Infinity"
	case n == 0:
		return "0"
	}
	if size := math.Abs(n); size >= 1e-6 && size < 1e21 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return shortExponent(strconv.FormatFloat(n, 'e', -1, 64))
}

// shortExponent drops the zero of an exponent of one digit: e-07 is e-7 in JavaScript.
func shortExponent(text string) string {
	if i := len(text) - 2; text[i] == '0' && (text[i-1] == '-' || text[i-1] == '+') {
		return text[:i] + text[i+1:]
	}
	return text
}

// equal tells whether two config values are the same, the order of keys aside.
func equal(a, b any) bool {
	switch x := a.(type) {
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		if x == y {
			return true
		}
		for i := range x.entries {
			value, ok := y.Get(x.entries[i].key)
			if !ok || !equal(x.entries[i].value, value) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	case float64:
		y, ok := b.(float64)
		return ok && (x == y || math.IsNaN(x) && math.IsNaN(y))
	}
	return a == b
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

// sort puts the entries into JavaScript's order.
func (o *Object) sort() {
	if o.ints {
		slices.SortStableFunc(o.entries, func(a, b entry) int { return compareKeys(a.key, b.key) })
		o.reindex()
	}
}

// truncate keeps the first n entries. The ones before may have been replaced.
func (o *Object) truncate(n int) {
	if n == len(o.entries) {
		return
	}
	clear(o.entries[n:])
	o.entries = o.entries[:n]
	o.reindex()
}

// reindex makes the index anew, where there are enough keys for one.
func (o *Object) reindex() {
	o.index = nil
	if len(o.entries) >= indexFrom {
		o.index = make(map[string]int, cap(o.entries))
		for i := range o.entries {
			o.index[o.entries[i].key] = i
		}
	}
}
