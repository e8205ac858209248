package schema

import (
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// Scope returns the part of the configuration that the schema declares: what a plugin may see. Its layers keep their
// names, so that errors still name the layer of a value. A value is kept whole if the schema does not say what is in
// it, or if it is not of the schema's type.
func (s *Schema) Scope(c *appconfig.Config) *appconfig.Config {
	var layers []appconfig.Layer
	for _, layer := range c.Layers() {
		data, _ := scope(layer.Data, []*node{s.root}, true).(*value.Object)
		layers = append(layers, appconfig.Layer{Name: layer.Name, Path: layer.Path, Data: data})
	}
	return appconfig.New(layers...)
}

// Changed returns the changed keys that the schema declares. Scope leaves an empty object of a section in which everything
// belongs to others: it does not count that such a one comes or goes.
func (s *Schema) Changed(before, after *appconfig.Config) []string {
	all := map[string]bool{}
	for _, key := range appconfig.Changed(before, after) {
		all[key] = true
	}
	return slices.DeleteFunc(appconfig.Changed(s.Scope(before), s.Scope(after)), func(key string) bool {
		return !all[key] && s.isSection(key)
	})
}

// An Undeclared key is one in a configuration that the schema does not declare, and that is in something that it does.
type Undeclared struct {
	Names []string // of the key and of those around it; an item of a list has none
	At    string   // the JSON pointer of the object that the key is in
	Value any
	Known []string // the keys that are declared there
	Open  bool     // it is an object that is declared, and that may hold anything; At is its own
}

// Undeclared lists the keys of the merged layers that the schema does not declare, and the objects of which it does not say what is in them.
func (s *Schema) Undeclared(c *appconfig.Config) ([]Undeclared, error) {
	data, _, err := c.GetOptional("")
	if err != nil {
		return nil, err
	}
	return undeclared(nil, data, []*node{s.root}, nil, ""), nil
}

// undeclared adds to found what the schemas of nodes do not declare of a value.
func undeclared(found []Undeclared, v any, nodes []*node, names []string, at string) []Undeclared {
	var all []*node
	for _, n := range nodes {
		all = n.alternatives(all)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if of := itemNodes(all, i); len(of) > 0 {
				found = undeclared(found, item, of, names, at+"/"+strconv.Itoa(i))
			}
		}
	case *value.Object:
		if names != nil && isOpen(all) {
			return append(found, Undeclared{Names: names, At: at, Value: v, Open: true})
		}
		for key, item := range v.All() {
			path := append(slices.Clip(names), key)
			if of := propertyNodes(all, key); len(of) > 0 {
				found = undeclared(found, item, of, path, at+"/"+escapePointer(key))
			} else {
				found = append(found, Undeclared{Names: path, At: at, Value: item, Known: propertyNames(all)})
			}
		}
	}
	return found
}

// Declares reports whether the schema declares a key, by its names and those of the keys around it.
func (s *Schema) Declares(names []string) bool {
	nodes := []*node{s.root}
	for i, name := range names {
		all := withItems(nodes)
		if i > 0 && isOpen(all) {
			return true
		}
		if nodes = propertyNodes(all, name); len(nodes) == 0 {
			return false
		}
	}
	return true
}

// withItems returns schemas with all that they refer to or combine, and with those of their items.
func withItems(nodes []*node) (all []*node) {
	for _, n := range nodes {
		all = n.alternatives(all)
	}
	for _, n := range itemNodes(all, 0) {
		all = n.alternatives(all)
	}
	return all
}

// propertyNames returns the names of the properties that schemas declare.
func propertyNames(nodes []*node) (names []string) {
	for _, n := range nodes {
		for name := range inner(n.schema, "properties").All() {
			names = append(names, name)
		}
	}
	return names
}

// isSection reports whether key is one that the schema names, and not an entry of a map, which means something even if
// it is empty.
func (s *Schema) isSection(key string) bool {
	nodes := []*node{s.root}
	for name := range strings.SplitSeq(key, ".") {
		var all, named []*node
		for _, n := range nodes {
			all = n.alternatives(all)
		}
		for _, n := range all {
			if inner(n.schema, "properties").Has(name) {
				named = append(named, n.declared(name)...)
			}
		}
		if nodes = named; len(nodes) == 0 {
			return false
		}
	}
	return true
}

// scope returns the declared part of a value that the schemas of nodes describe.
func scope(v any, nodes []*node, top bool) any {
	var all []*node
	for _, n := range nodes {
		all = n.alternatives(all)
	}
	switch v := v.(type) {
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			of := itemNodes(all, i)
			if len(of) == 0 {
				return v
			}
			items[i] = scope(item, of, false)
		}
		return items
	case *value.Object:
		if !top && isOpen(all) {
			return v
		}
		out := &value.Object{}
		for key, item := range v.All() {
			if of := propertyNodes(all, key); len(of) > 0 {
				out.SetAt(key, scope(item, of, false), v.Position(key))
			}
		}
		return out
	}
	return v
}

// alternatives adds a schema to found, and all schemas that it refers to or combines.
func (n *node) alternatives(found []*node) []*node {
	if slices.Contains(found, n) {
		return found // a reference leads back
	}
	found = append(found, n)
	for _, r := range n.rules[anyGroup] {
		for _, s := range r.subs {
			if r.name != "not" {
				found = s.alternatives(found)
			}
		}
	}
	return found
}

// isOpen reports whether an object may hold anything: one of the schemas accepts any object, or none mentions
// properties.
func isOpen(nodes []*node) bool {
	open := true
	for _, n := range nodes {
		if n.schema.Has("additionalProperties") || declares(n.schema) {
			open = false
		} else if slices.Equal(n.types, []string{"object"}) {
			return true
		}
	}
	return open
}

// propertyNodes returns the schemas of a property.
func propertyNodes(nodes []*node, key string) (found []*node) {
	for _, n := range nodes {
		declared := n.declared(key)
		found = append(found, declared...)
		// additionalProperties is for properties that its own schema does not declare, even if another one does.
		for _, s := range n.rule(objectGroup, "additionalProperties").subs {
			if declared == nil && !s.never {
				found = append(found, s.node)
			}
		}
	}
	return found
}

// itemNodes returns the schemas of the item at a position.
func itemNodes(nodes []*node, position int) (found []*node) {
	for _, n := range nodes {
		items := n.rule(arrayGroup, "items").subs
		if position >= len(items) && (len(items) == 0 || items[0].key != "") {
			items = n.rule(arrayGroup, "additionalItems").subs
		}
		if len(items) > 0 {
			found = append(found, items[min(position, len(items)-1)].node)
		}
	}
	return found
}
