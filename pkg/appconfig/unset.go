package appconfig

import (
	"slices"
	"strings"
)

// unsetKey is a key that is left out because variables are not set.
type unsetKey struct {
	key       string
	variables []string
}

// miss records that the current value is left out.
func (t *transformer) miss(variables []string) {
	t.unset = append(t.unset, unsetKey{strings.TrimPrefix(t.at(), "."), variables})
}

// An Unset is a variable that the configuration uses without a default and that is not set.
type Unset struct {
	Name string
	Keys []string // the keys that are left out because of it
}

// Unset lists the variables that are not set, with the keys that are left out because of them, in the order of the
// layers. It skips keys that have a value in another layer. Programs warn of them at their start.
func (c *Config) Unset() (list []Unset) {
	for i, layer := range c.layers {
		for _, missing := range layer.unset {
			if c.isThere(missing.key, i) {
				continue
			}
			for _, name := range missing.variables {
				place := slices.IndexFunc(list, func(u Unset) bool { return u.Name == name })
				if place < 0 {
					place, list = len(list), append(list, Unset{Name: name})
				}
				list[place].Keys = append(list[place].Keys, missing.key)
			}
		}
	}
	return list
}

// isThere reports whether a key that was left out of a layer still has a value. Arrays are not merged, so for an
// array item only higher layers count.
func (c *Config) isThere(key string, layer int) bool {
	array, _, inArray := strings.Cut(key, "[")
	if !inArray {
		found, rest := c.index.find(key) // not Has, which refuses keys such as /coder
		return found != nil && rest == "" && found.value != nil
	}
	for _, above := range c.layers[layer+1:] {
		if _, found, err := (&Config{data: above.Data}).value(array); found && err == nil {
			return true
		}
	}
	return false
}
