package schema

import (
	"slices"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// Scope returns a view of the configuration that holds only what the schema declares: what a plugin may see.
// Its layers keep their names, so that errors still name the layer a value is in. A value that is declared
// without saying what is in it is kept whole, and so is one of another type than the schema wants.
func (s *Schema) Scope(c *appconfig.Config) *appconfig.Config {
	var layers []appconfig.Layer
	for _, layer := range c.Layers() {
		data, _ := s.scope(layer.Data, []any{s.merged}, true).(*appconfig.Object)
		layers = append(layers, appconfig.Layer{Name: layer.Name, Path: layer.Path, Data: data})
	}
	return appconfig.New(layers...)
}

// scope returns the declared part of a value, given the schemas that say something of it.
func (s *Schema) scope(value any, schemas []any, top bool) any {
	var all []*appconfig.Object
	for _, schema := range schemas {
		all = s.alternatives(schema, all)
	}
	switch v := value.(type) {
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			of := schemasAt(all, i)
			if len(of) == 0 {
				return value
			}
			items[i] = s.scope(item, of, false)
		}
		return items
	case *appconfig.Object:
		if !top && isOpen(all) {
			return value
		}
		out := &appconfig.Object{}
		for _, key := range v.Keys() {
			if of := propertySchemas(all, key); len(of) > 0 {
				item, _ := v.Get(key)
				out.SetFrom(v, key, s.scope(item, of, false))
			}
		}
		return out
	}
	return value
}

// alternatives adds a schema to found, and all that it refers to or combines.
func (s *Schema) alternatives(schema any, found []*appconfig.Object) []*appconfig.Object {
	object, ok := schema.(*appconfig.Object)
	if !ok || slices.Contains(found, object) {
		return found
	}
	found = append(found, object)
	// A reference that leads back is met again in found, which ends the walk.
	if ref, ok := text(object, "$ref"); ok {
		if target, ok := s.compiler.resolve(ref); ok {
			found = s.alternatives(target, found)
		}
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf", "if", "then", "else"} {
		value, _ := object.Get(key)
		for _, inner := range list(value) {
			found = s.alternatives(inner, found)
		}
	}
	return found
}

// isOpen tells whether the schemas leave open what an object holds: one of them takes any object, or none
// says anything of properties.
func isOpen(schemas []*appconfig.Object) bool {
	open := true
	for _, schema := range schemas {
		if _, restricted := schema.Get("additionalProperties"); restricted || declares(schema) {
			open = false
		} else if kind, _ := text(schema, "type"); kind == "object" {
			return true
		}
	}
	return open
}

// propertySchemas returns what the schemas say of a property.
func propertySchemas(schemas []*appconfig.Object, key string) (found []any) {
	for _, schema := range schemas {
		declared := false
		value, _ := schema.Get("properties")
		if properties, ok := value.(*appconfig.Object); ok {
			if inner, ok := properties.Get(key); ok {
				found, declared = append(found, inner), true
			}
		}
		value, _ = schema.Get("patternProperties")
		patterns, _ := value.(*appconfig.Object)
		for _, source := range patterns.Keys() {
			if p, err := newPattern(source); err == nil && matches(p, key) {
				inner, _ := patterns.Get(source)
				found, declared = append(found, inner), true
			}
		}
		// additionalProperties speaks of what its own schema does not declare, not of what another one does.
		if inner, ok := schema.Get("additionalProperties"); ok && !declared && inner != false {
			found = append(found, inner)
		}
	}
	return found
}
