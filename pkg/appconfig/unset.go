package appconfig

import (
	"cmp"
	"regexp"
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

// An Unset says that variables, which the configuration uses without a default, are not set.
type Unset struct {
	Names []string // several if a key needs them all
	Keys  []string // the keys that are left out because of it
	Hint  string   // what is wrong with how the variables are written; "" if nothing is
}

// Unset lists the variables that are not set, with the keys that are left out because of them, in the order of the
// layers. It names each key once, for the highest layer that has it, and skips keys that have a value in another layer. Programs warn of
// them at their start.
func (c *Config) Unset() (list []Unset) {
	seen := map[string]bool{}
	var missing []unsetKey
	for i, layer := range slices.Backward(c.layers) {
		var here []unsetKey
		for _, one := range layer.unset {
			if !seen[one.key] && !c.isThere(one.key, i) {
				here = append(here, one)
			}
			seen[one.key] = true
		}
		missing = append(here, missing...)
	}
	for _, one := range missing {
		names, hint := make([]string, len(one.variables)), ""
		for i, name := range one.variables {
			var wrong string
			names[i], wrong = shownName(name)
			hint = cmp.Or(hint, wrong)
		}
		place := slices.IndexFunc(list, func(u Unset) bool { return slices.Equal(u.Names, names) })
		if place < 0 {
			place, list = len(list), append(list, Unset{Names: names, Hint: hint})
		}
		list[place].Keys = append(list[place].Keys, one.key)
	}
	return list
}

// defaulted matches the name of a variable with what was meant to be its default, as some shells and other programs write it.
var defaulted = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)\s*[^A-Za-z0-9_\s]`)

// shownName returns the name of a variable. If it has something like a default behind it, which may be a secret, it is left out, and hint
// says how a default is written.
func shownName(name string) (shown, hint string) {
	found := defaulted.FindStringSubmatch(name)
	if found == nil {
		return name, ""
	}
	return found[1], "a default is written with ':-', as in ${" + found[1] + ":-default}"
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
