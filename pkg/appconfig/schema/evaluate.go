package schema

import (
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// An evaluation checks a value against a schema. It owns the value: coercion changes it.
type evaluation struct {
	problems []problem
	all      bool                         // continue after a problem
	coerces  bool                         // convert values of other types
	notes    map[string]map[string]string // values of Backstage's keywords, by keyword and path
	depth    int                          // of nested references
	endless  bool                         // references were nested too deeply, so the evaluation stopped
}

// maxDepth is the depth of references that counts as endless.
const maxDepth = 500

// A problem is one way in which a value does not meet a schema.
type problem struct {
	path      string // of the value, as a JSON pointer
	key       string // of the value
	message   string
	params    string // "name=value name=value"
	container bool   // an object or an array was expected
	missing   string // the path of the schema of a missing property
}

// A cursor is a place in the evaluated value.
type cursor struct {
	value   any
	path    string
	key     string // the key of the value in a Config; items of a list have the key of the list
	inList  bool
	replace func(any) // replaces the value; nil at the root and for a property's name
}

// below returns the key of a property.
func (at *cursor) below(name string) string {
	if at.inList {
		return at.key
	}
	return joinKey(at.key, name)
}

// property returns the cursor of a property of an object.
func (at *cursor) property(key string) *cursor {
	object := at.value.(*value.Object)
	v, _ := object.Get(key)
	return &cursor{v, at.path + "/" + escapePointer(key), at.below(key), at.inList, func(v any) { object.Set(key, v) }}
}

// item returns the cursor of an item of an array.
func (at *cursor) item(i int) *cursor {
	items := at.value.([]any)
	return &cursor{items[i], at.path + "/" + strconv.Itoa(i), at.key, true, func(v any) { items[i] = v }}
}

// fail reports a problem with the value. Parameters have the form "name=value".
func (e *evaluation) fail(at *cursor, message string, params ...string) *problem {
	e.problems = append(e.problems, problem{path: at.path, key: at.key, message: message, params: strings.Join(params, " ")})
	return &e.problems[len(e.problems)-1]
}

// visit evaluates a schema and reports whether the value meets it.
func (e *evaluation) visit(n *node, at *cursor) bool {
	before := len(e.problems)
	switch {
	case n.always || e.endless:
		return true
	case n.never:
		e.fail(at, "boolean schema is false")
		return false
	case n.typeFirst && !hasType(at.value, n.types):
		e.convert(n, at)
	}
	for group, rules := range n.rules {
		if group > anyGroup {
			// The first group is evaluated even after a failed type: this is how ajv nests its generated code.
			if !e.all && len(e.problems) > before {
				return false
			}
			if !isType(at.value, groupTypes[group]) {
				// Keywords for the only allowed type are where ajv reports a value of another type.
				if !n.typeFirst && len(n.types) == 1 && n.types[0] == groupTypes[group] {
					e.failType(n, at)
				}
				continue
			}
		}
		e.apply(rules, at)
	}
	return len(e.problems) == before
}

// apply evaluates the rules of one group.
func (e *evaluation) apply(rules []*rule, at *cursor) {
	before := len(e.problems)
	for _, r := range rules {
		if r.eval != nil && (e.all || len(e.problems) == before) {
			r.eval(r, e, at)
		}
	}
}

// convert coerces a value of a wrong type, or reports it. The new value replaces the old one at once, for the
// keywords below and for those of outer schemas that are yet to come, whatever the outcome of this schema.
func (e *evaluation) convert(n *node, at *cursor) {
	v, ok := coerce(at.value, n.types)
	if !ok || !e.coerces {
		e.failType(n, at)
		return
	}
	at.value = v
	if at.replace != nil {
		at.replace(v)
	}
}

// probe reports whether the value meets a schema. It stops at the first problem and keeps none.
func (e *evaluation) probe(n *node, at *cursor) bool {
	before, all := len(e.problems), e.all
	e.all = false
	valid := e.visit(n, at)
	e.problems, e.all = e.problems[:before], all
	return valid
}

// first reports whether one of n things matches. It stops at the first match and drops the problems of those before.
func (e *evaluation) first(n int, matches func(i int) bool) bool {
	before := len(e.problems)
	for i := range n {
		if matches(i) {
			e.problems = e.problems[:before]
			return true
		}
	}
	return false
}

// failType reports that the value is of none of the schema's types.
func (e *evaluation) failType(n *node, at *cursor) {
	name, single := stringAt(n.schema, "type")
	if !single {
		name = strings.Join(n.types, ",")
	}
	e.fail(at, "must be "+name, "type="+name).container = name == "object" && single || name == "array" && single
}
