package appconfig

import "bytes"

// ParseJSON returns the value of a JSON text, its keys in JavaScript's order. Of a key that is there twice
// the later value counts.
func ParseJSON(text []byte) (any, error) {
	value, _, err := parseJSON(string(text), &source{noLines: true})
	return value, err
}

// FormatJSON writes a config value as JSON.stringify does, in one line.
func FormatJSON(value any) []byte {
	var b bytes.Buffer
	writeJSON(&b, value)
	return b.Bytes()
}

// ParseNumber converts a text as JavaScript's Number does, except that "Infinity" is no number here; it tells
// whether the result is finite.
func ParseNumber(text string) (float64, bool) { return parseNumber(text) }

// FormatNumber writes a number as JavaScript's String does.
func FormatNumber(n float64) string { return formatNumber(n) }

// Equal tells whether two config values are the same, the order of keys aside.
func Equal(a, b any) bool { return equal(a, b) }

// SetFrom is Set for a value made from the one that source has under key: it keeps its origin.
func (o *Object) SetFrom(source *Object, key string, value any) {
	var pos position
	if i := source.find(key); i >= 0 {
		pos = source.entries[i].pos
	}
	o.set(key, value, pos)
}
