package schema

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// inherit notes the visibilities in a schema. A visibility that contradicts a deepVisibility around it is an error.
// If strict is set, it also forbids undeclared properties of objects that declare some.
func (s *Schema) inherit(schema any, strict bool) (err error) {
	inherited := map[*value.Object]string{}
	walk(schema, "", nil, func(schema *value.Object, pointer string, parent *value.Object) {
		own, _ := stringAt(schema, "visibility")
		deep, _ := stringAt(schema, "deepVisibility")
		if v := cmp.Or(deep, own, "backend"); v != "backend" {
			s.visible[normalizePath(pointer)] = v
		}
		inherited[schema] = cmp.Or(deep, inherited[parent])
		// Backstage compares these three.
		all := []string{own, inherited[schema], inherited[parent]}
		if slices.Contains(all, "frontend") && slices.Contains(all, "secret") && err == nil {
			err = fmt.Errorf("Config schema visibility is both 'frontend' and 'secret' for %s", pointer)
		}
		kind, _ := stringAt(schema, "type")
		if strict && kind == "object" && declares(schema) && !schema.Has("additionalProperties") {
			schema.Set("additionalProperties", false)
		}
	})
	return err
}

// declares reports whether an object schema names properties.
func declares(schema *value.Object) bool {
	return inner(schema, "properties").Len()+inner(schema, "patternProperties").Len() > 0
}

// walk calls visit for a schema and every schema in it, parents first, with its JSON pointer and its parent, as
// json-schema-traverse does. visit may change the schema.
func walk(schema any, pointer string, parent *value.Object,
	visit func(schema *value.Object, pointer string, parent *value.Object),
) {
	object, ok := schema.(*value.Object)
	if !ok {
		return
	}
	visit(object, pointer, parent)
	for key, v := range object.All() {
		for _, s := range within(key, v) {
			at := pointer + "/" + key
			if s.key != "" {
				at += "/" + escapePointer(s.key)
			}
			walk(s.value, at, object, visit)
		}
	}
}
