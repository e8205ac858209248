package schema

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// A member is a schema within a keyword, by its key there.
type member struct {
	key  string
	node *node
}

// members compiles the schemas of a list, those that take any value too.
func (s *site) members() ([]*node, error) {
	var nodes []*node
	for i, schema := range s.value.([]any) {
		n, err := s.subAt(strconv.Itoa(i), schema)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// liveMembers compiles the schemas of an object that a value may fail, once all of them have been looked at.
func (s *site) liveMembers() ([]member, error) {
	object := s.value.(*appconfig.Object)
	var keys []string
	for _, key := range object.Keys() {
		schema, _ := object.Get(key)
		if live, err := s.live(schema); err != nil {
			return nil, err
		} else if live {
			keys = append(keys, key)
		}
	}
	var members []member
	for _, key := range keys {
		schema, _ := object.Get(key)
		n, err := s.subAt(key, schema)
		if err != nil {
			return nil, err
		}
		members = append(members, member{key, n})
	}
	return members, nil
}

// compileNot compiles "not". What is noted of values until the schema fails counts, as in ajv.
func compileNot(s *site) (check, error) {
	p := newProblem("must NOT be valid")
	n, err := s.liveSub()
	if err != nil {
		return nil, err
	}
	return func(e *evaluation, at *cursor) {
		if n == nil || e.probe(n, at) {
			e.fail(at, p)
		}
	}, nil
}

// compileAnyOf stops at the first schema that fits: keywords in the later ones do not count.
func compileAnyOf(s *site) (check, error) {
	for _, schema := range s.value.([]any) {
		if live, err := s.live(schema); err != nil || !live {
			return nil, err
		}
	}
	nodes, err := s.members()
	if err != nil {
		return nil, err
	}
	p := newProblem("must match a schema in anyOf")
	return func(e *evaluation, at *cursor) {
		before := len(e.problems)
		for _, n := range nodes {
			if e.visit(n, at) {
				e.problems = e.problems[:before]
				return
			}
		}
		e.fail(at, p)
	}, nil
}

// compileOneOf stops at the second schema that fits. All schemas tried so far may have coerced the value.
func compileOneOf(s *site) (check, error) {
	nodes, err := s.members()
	if err != nil {
		return nil, err
	}
	const message = "must match exactly one schema in oneOf"
	return func(e *evaluation, at *cursor) {
		before, passing := len(e.problems), -1
		for i, n := range nodes {
			switch valid := e.visit(n, at); {
			case valid && passing >= 0:
				e.fail(at, newProblem(message, "passingSchemas", fmt.Sprintf("%d,%d", passing, i)))
				return
			case valid:
				passing = i
			}
		}
		if passing < 0 {
			e.fail(at, newProblem(message, "passingSchemas", "null"))
			return
		}
		e.problems = e.problems[:before]
	}, nil
}

// compileAllOf is for schemas by themselves: the merged schema has no allOf but within an "if".
func compileAllOf(s *site) (check, error) {
	var nodes []*node
	for i, schema := range s.value.([]any) {
		n, err := s.liveAt(strconv.Itoa(i), schema)
		if err != nil {
			return nil, err
		} else if n != nil {
			nodes = append(nodes, n)
		}
	}
	return func(e *evaluation, at *cursor) {
		for _, n := range nodes {
			if !e.visit(n, at) && !e.all {
				return
			}
		}
	}, nil
}

// checkIf refuses a "then" or "else" that has no "if".
func checkIf(s *site) (check, error) {
	if _, ok := s.schema.Get("if"); !ok {
		return nil, fmt.Errorf("strict mode: %q without \"if\" is ignored", s.name)
	}
	return nil, nil
}

// compileIf compiles the three keywords together. A clause that takes any value is left out; without either clause
// the condition is not even tried.
func compileIf(s *site) (check, error) {
	_, hasThen := s.schema.Get("then")
	_, hasElse := s.schema.Get("else")
	if !hasThen && !hasElse {
		return nil, errors.New(`strict mode: "if" without "then" and "else" is ignored`)
	}
	clauses := map[string]*node{"if": nil, "then": nil, "else": nil}
	names := []string{"if"}
	for _, name := range []string{"then", "else"} {
		clause, ok := s.schema.Get(name)
		if !ok {
			continue
		}
		if live, err := s.live(clause); err != nil {
			return nil, err
		} else if live {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		return nil, nil
	}
	for _, name := range names {
		clause, _ := s.schema.Get(name)
		var err error
		if clauses[name], err = s.compile(clause, s.path+"/"+name); err != nil {
			return nil, err
		}
	}
	return func(e *evaluation, at *cursor) {
		name := "else"
		if e.probe(clauses["if"], at) {
			name = "then"
		}
		if clause := clauses[name]; clause != nil && !e.visit(clause, at) {
			e.fail(at, newProblem(`must match "`+name+`" schema`, "failingKeyword", name))
		}
	}, nil
}
