// Package known has the keys of Backstage's own packages: which there are, and who may see them. So a program knows what is secret
// in the files of a whole app, and which keys are mistyped, without the app's schemas.
//
// keys.txt is made by generate.mjs from the schemas of the published packages, which it names with their versions. It has one line
// for each key, indented by one blank for each key around it; * is any key. Behind the key are letters:
//
//	f, s  visibility: frontend, secret
//	F, S  deepVisibility: frontend, secret
//	o     it may hold any keys, also others than those below it
//
// The keys of a list are those of the objects in it. Types, limits and texts are left out: what this package knows makes no
// value wrong.
package known

import (
	_ "embed"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

//go:embed keys.txt
var text string

// Key is a known key, with those below it.
type Key struct {
	flags string
	keys  map[string]*Key
}

// Keys returns all known keys, below the root of the configuration.
func Keys() *Key {
	root := &Key{}
	around := []*Key{root} // the line that is read
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		trimmed := strings.TrimLeft(line, " ")
		depth := len(line) - len(trimmed)
		name, flags, _ := strings.Cut(strings.TrimSuffix(trimmed, "\n"), " ")
		key := &Key{flags: flags}
		if around[depth].keys == nil {
			around[depth].keys = map[string]*Key{}
		}
		around[depth].keys[name] = key
		around = append(around[:depth+1], key)
	}
	return root
}

// Below returns a key below this one, nil if it is not known. Any key may be below one that is open or that ends here.
func (k *Key) Below(name string) *Key {
	if key := k.keys[name]; key != nil {
		return key
	}
	if key := k.keys["*"]; key != nil {
		return key
	}
	if k.has("o") || len(k.keys) == 0 {
		return &Key{flags: "o"}
	}
	return nil
}

// Names returns the names of the keys below, in order.
func (k *Key) Names() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(k.keys)), func(name string) bool { return name == "*" })
}

func (k *Key) has(flag string) bool { return strings.Contains(k.flags, flag) }

// Annotate calls note for each value in v, at a path, that is not for backends alone: with Backstage's keyword, the path of the value
// and the visibility.
func (k *Key) Annotate(v any, path string, note func(keyword, path, visibility string)) {
	for flag, visibility := range map[string]string{"f": "frontend", "s": "secret"} {
		if k.has(flag) {
			note("visibility", path, visibility)
		}
		if k.has(strings.ToUpper(flag)) {
			note("deepVisibility", path, visibility)
		}
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			k.Annotate(item, path+"/"+strconv.Itoa(i), note)
		}
	case *value.Object:
		for name, item := range v.All() {
			if key := k.Below(name); key != nil {
				key.Annotate(item, path+"/"+name, note)
			}
		}
	}
}
