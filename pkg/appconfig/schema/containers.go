package schema

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// compileAdditionalItems compiles what is said of items after those that "items" lists.
func compileAdditionalItems(s *site) (check, error) {
	items, _ := s.schema.Get("items")
	tuple, ok := items.([]any)
	if !ok {
		return nil, errors.New(`strict mode: "additionalItems" is ignored when "items" is not an array of schemas`)
	}
	if s.value == false {
		size := strconv.Itoa(len(tuple))
		p := newProblem("must NOT have more than "+size+" items", "limit", size)
		return func(e *evaluation, at *cursor) {
			if len(at.value.([]any)) > len(tuple) {
				e.fail(at, p)
			}
		}, nil
	}
	return s.eachItem(len(tuple))
}

// compileItems compiles one schema for all items, or a list of schemas by position.
func compileItems(s *site) (check, error) {
	tuple, ok := s.value.([]any)
	if !ok {
		return s.eachItem(0)
	}
	nodes := make([]*node, len(tuple))
	for i, schema := range tuple {
		var err error
		if nodes[i], err = s.liveAt(strconv.Itoa(i), schema); err != nil {
			return nil, err
		}
	}
	return func(e *evaluation, at *cursor) {
		for i := range at.value.([]any) {
			if i < len(nodes) && nodes[i] != nil && !e.visit(nodes[i], at.item(i)) && !e.all {
				return
			}
		}
	}, nil
}

// eachItem applies the keyword's schema to the items from the given index on.
func (s *site) eachItem(from int) (check, error) {
	n, err := s.liveSub()
	if err != nil || n == nil {
		return nil, err
	}
	return func(e *evaluation, at *cursor) {
		for i := from; i < len(at.value.([]any)); i++ {
			if !e.visit(n, at.item(i)) && !e.all {
				return
			}
		}
	}, nil
}

// compileContains stops at the first item that fits; the problems of those before it are forgotten.
func compileContains(s *site) (check, error) {
	p := newProblem("must contain at least 1 valid item(s)", "minContains", "1")
	n, err := s.liveSub()
	if err != nil {
		return nil, err
	}
	return func(e *evaluation, at *cursor) {
		before := len(e.problems)
		for i := range at.value.([]any) {
			if n == nil || e.visit(n, at.item(i)) {
				e.problems = e.problems[:before]
				return
			}
		}
		e.fail(at, p)
	}, nil
}

// compilePropertyNames evaluates the names as values of their own. Problems are reported at the object.
func compilePropertyNames(s *site) (check, error) {
	n, err := s.liveSub()
	if err != nil || n == nil {
		return nil, err
	}
	return func(e *evaluation, at *cursor) {
		for _, key := range at.value.(*appconfig.Object).Keys() {
			if !e.visit(n, &cursor{value: key, path: at.path}) {
				e.fail(at, newProblem("property name must be valid", "propertyName", key))
				if !e.all {
					return
				}
			}
		}
	}, nil
}

// compileAdditionalProperties compiles what is said of properties that neither "properties" nor "patternProperties"
// declares.
func compileAdditionalProperties(s *site) (check, error) {
	n, err := s.liveSub()
	if err != nil || n == nil {
		return nil, err
	}
	// All properties that the schema names count as declared, whatever their schemas say.
	declared := map[string]bool{}
	if object, ok := s.schema.Get("properties"); ok {
		if object, ok := object.(*appconfig.Object); ok {
			for _, key := range object.Keys() {
				declared[key] = true
			}
		}
	}
	patterns, err := patternsOf(s.schema)
	if err != nil {
		return nil, err
	}
	return func(e *evaluation, at *cursor) {
		for _, key := range at.value.(*appconfig.Object).Keys() {
			if declared[key] || matchesAny(patterns, key) {
				continue
			}
			valid := false
			if n.never {
				e.fail(at, newProblem("must NOT have additional properties", "additionalProperty", key))
			} else {
				valid = e.visit(n, at.property(key))
			}
			if !valid && !e.all {
				return
			}
		}
	}, nil
}

// compileProperties evaluates properties in the order of the schema, not in that of the value.
func compileProperties(s *site) (check, error) {
	members, err := s.liveMembers()
	if err != nil || len(members) == 0 {
		return nil, err
	}
	return func(e *evaluation, at *cursor) {
		object := at.value.(*appconfig.Object)
		for _, m := range members {
			if _, ok := object.Get(m.key); ok && !e.visit(m.node, at.property(m.key)) && !e.all {
				return
			}
		}
	}, nil
}

// compilePatternProperties evaluates pattern by pattern. A property may match several.
func compilePatternProperties(s *site) (check, error) {
	object := s.value.(*appconfig.Object)
	anyLive := false
	for _, source := range object.Keys() {
		schema, _ := object.Get(source)
		live, err := s.live(schema)
		if err != nil {
			return nil, err
		}
		anyLive = anyLive || live
	}
	if !anyLive {
		return nil, nil
	}
	type rule struct {
		pattern pattern
		node    *node
	}
	var rules []rule
	for _, source := range object.Keys() {
		p, err := s.unmatched(source)
		if err != nil {
			return nil, err
		}
		schema, _ := object.Get(source)
		n, err := s.subAt(source, schema)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule{p, n})
	}
	return func(e *evaluation, at *cursor) {
		for _, r := range rules {
			for _, key := range at.value.(*appconfig.Object).Keys() {
				if r.pattern.matches(key) && !e.visit(r.node, at.property(key)) && !e.all {
					return
				}
			}
		}
	}, nil
}

// unmatched compiles a pattern and makes sure that it matches none of the schema's properties.
func (s *site) unmatched(source string) (pattern, error) {
	p, err := newPattern(source)
	if err != nil || s.meta == nil {
		return p, err
	}
	properties, _ := s.schema.Get("properties")
	object, _ := properties.(*appconfig.Object)
	for _, key := range object.Keys() {
		if p.matches(key) {
			return p, fmt.Errorf("strict mode: property %s matches pattern %s (use allowMatchingProperties)", key, source)
		}
	}
	return p, nil
}
