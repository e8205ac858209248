package schema

import (
	"slices"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// Scope returns a view of the configuration that holds only what the schema declares: what a plugin may see.
// Its layers keep their names, so that errors still name the layer a value is in. A value that is declared
// without saying what is in it is kept whole, and so is one of another type than the schema wants.
func (s *Schema) Scope(c *appconfig.Config) *appconfig.Config {
	var layers []appconfig.Layer
	for _, layer := range c.Layers() {
		data, _ := scope(layer.Data, []*node{s.root}, true).(*value.Object)
		layers = append(layers, appconfig.Layer{Name: layer.Name, Path: layer.Path, Data: data})
	}
	return appconfig.New(layers...)
}

// scope returns the declared part of a value, given the schemas that say something of it.
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
		for key, item := range entries(v) {
			if of := propertyNodes(all, key); len(of) > 0 {
				out.SetAt(key, scope(item, of, false), v.Position(key))
			}
		}
		return out
	}
	return v
}

// alternatives adds a schema to found, and all that it refers to or combines.
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

// isOpen tells whether the schemas leave open what an object holds: one of them takes any object, or none
// says anything of properties.
func isOpen(nodes []*node) bool {
	open := true
	for _, n := range nodes {
		if _, restricted := n.schema.Get("additionalProperties"); restricted || declares(n.schema) {
			open = false
		} else if slices.Equal(n.types, []string{"object"}) {
			return true
		}
	}
	return open
}

// propertyNodes returns what the schemas say of a property.
func propertyNodes(nodes []*node, key string) (found []*node) {
	for _, n := range nodes {
		declared := n.declared(key)
		found = append(found, declared...)
		// additionalProperties speaks of what its own schema does not declare, not of what another one does.
		for _, s := range n.rule(objectGroup, "additionalProperties").subs {
			if declared == nil && !s.never {
				found = append(found, s.node)
			}
		}
	}
	return found
}

// itemNodes returns what the schemas say of the item at a position.
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
