package appschema

import (
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// Unread returns the keys of a configuration below some sections that are known, and that nothing in this program reads.
func (a *App) Unread(config *appconfig.Config, sections ...string) ([]string, error) {
	var keys []string
	undeclared, err := a.own.Undeclared(config)
	for _, u := range undeclared {
		if u.Open {
			continue
		}
		for _, names := range each(u, sections) {
			if key := strings.Join(names, "."); a.knows(names) && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys, err
}

// each returns the names of an undeclared key that is in one of the sections. If it is a section itself, they are those of the keys in it.
func each(u schema.Undeclared, sections []string) (list [][]string) {
	key := strings.Join(u.Names, ".") + "."
	for _, section := range sections {
		if strings.HasPrefix(key, section+".") && key != section+"." {
			return [][]string{u.Names}
		}
		object, _ := u.Value.(*value.Object)
		if !strings.HasPrefix(section+".", key) {
			continue
		}
		for name, v := range object.All() {
			list = append(list, each(schema.Undeclared{Names: append(slices.Clip(u.Names), name), Value: v}, []string{section})...)
		}
	}
	return list
}

// knows reports whether a key is one of the app or of Backstage's packages.
func (a *App) knows(names []string) bool {
	if a.theirs != nil {
		return a.theirs.Declares(names)
	}
	if a.all.Declares(names) {
		return true
	}
	key := a.keys
	for _, name := range names {
		if key = key.Below(name); key == nil {
			return false
		}
	}
	return true
}
