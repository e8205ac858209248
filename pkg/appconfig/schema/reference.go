package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// compileRef compiles what a reference leads to: in its place if there is no further reference in it, else as
// a function of its own, whose problems are named from "#" on.
func compileRef(s *site) (check, error) {
	ref := s.value.(string)
	if ref == "#" || ref == "#/" {
		return func(e *evaluation, at *cursor) { e.call(s.rootNode, at) }, nil
	}
	target, ok := s.resolve(ref, 0)
	if !ok {
		return nil, fmt.Errorf("can't resolve reference %s from id #", ref)
	}
	if !hasRef(target) {
		n, err := s.compile(target, ref)
		if err != nil {
			return nil, err
		}
		return func(e *evaluation, at *cursor) { e.visit(n, at) }, nil
	}
	object := target.(*appconfig.Object)
	// It is stored before it is compiled, so that a reference to itself finds it.
	function, ok := s.functions[object]
	if !ok {
		function = &node{}
		s.functions[object] = function
		n, err := s.compile(object, "#")
		if err != nil {
			return nil, err
		}
		*function = *n
	}
	return func(e *evaluation, at *cursor) { e.call(function, at) }, nil
}

// resolve returns the schema that a reference leads to, through schemas that are nothing but references.
func (c *compiler) resolve(ref string, steps int) (any, bool) {
	switch {
	case steps > maxDepth:
		return nil, false // they lead in a circle
	case strings.TrimSuffix(ref, "#") == configV1:
		return true, true
	}
	if schema, ok := c.ids[strings.TrimSuffix(ref, "#")]; ok {
		return schema, true
	}
	// Nothing is fetched: what is not in the schema itself cannot be resolved.
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil, false
	}
	schema := c.root
	for part := range strings.SplitSeq(pointer, "/") {
		switch parent := schema.(type) {
		case *appconfig.Object:
			if schema, ok = parent.Get(unescapePointer(part)); !ok {
				return nil, false
			}
		case []any:
			if schema, ok = itemAt(parent, part); !ok {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	object, ok := schema.(*appconfig.Object)
	if !ok {
		_, ok = schema.(bool)
		return schema, ok
	}
	if next, ok := text(object, "$ref"); ok && !c.hasRules(object, "$ref") {
		if target, ok := c.resolve(next, steps+1); ok {
			return target, true
		}
	}
	return object, true
}

// itemAt returns the item that a pointer's part names.
func itemAt(items []any, index string) (any, bool) {
	for i, item := range items {
		if toString(float64(i)) == index {
			return item, true
		}
	}
	return nil, false
}

// hasRules tells whether the schema has a rule other than the one named.
func (c *compiler) hasRules(schema *appconfig.Object, except string) bool {
	for _, key := range schema.Keys() {
		if key != except && c.vocabulary[key] {
			return true
		}
	}
	return false
}

// hasRef tells whether there is a reference anywhere in a schema.
func hasRef(schema any) bool {
	switch v := schema.(type) {
	case []any:
		if slices.ContainsFunc(v, hasRef) {
			return true
		}
	case *appconfig.Object:
		for _, key := range v.Keys() {
			switch key {
			case "$ref", "$recursiveRef", "$recursiveAnchor", "$dynamicRef", "$dynamicAnchor":
				return true
			}
			if item, _ := v.Get(key); hasRef(item) {
				return true
			}
		}
	}
	return false
}
