package schema

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// An evaluation checks a value against a schema. It owns the value: coercion changes it.
type evaluation struct {
	problems []problem
	limit    int                          // the number of problems to stop at; 0 for none
	coerces  bool                         // convert values of other types
	notes    map[string]map[string]string // values of Backstage's keywords, by keyword and path
	depth    int                          // of nested schemas; it stays at maxDepth once it gets there
}

// maxDepth is the depth of schemas at which an evaluation stops: references lead back without end.
const maxDepth = 2000

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

// stopped reports whether nothing more is to be evaluated.
func (e *evaluation) stopped() bool {
	return e.depth >= maxDepth || e.limit > 0 && len(e.problems) >= e.limit
}

// visit evaluates a schema and reports whether the value meets it. It does nothing if the evaluation has stopped.
func (e *evaluation) visit(n *node, at *cursor) bool {
	before := len(e.problems)
	if e.stopped() {
		return true
	}
	if n.never {
		e.fail(at, "boolean schema is false")
	}
	e.depth++
	rightType := n.typeGroup != anyGroup || n.types == nil || hasType(at.value, n.types) || e.convert(n, at)
	for group, rules := range n.rules {
		if group == anyGroup || isType(at.value, groupTypes[group]) {
			for _, r := range rules {
				if r.eval != nil && !e.stopped() {
					r.eval(r, e, at)
				}
			}
		} else if group == n.typeGroup {
			e.failType(n, at, len(e.problems))
		}
		// A wrong type is the first problem, but does not stop the first group: this is how ajv nests its generated code.
		if group == anyGroup && !rightType {
			e.failType(n, at, before)
		}
	}
	if e.depth < maxDepth {
		e.depth--
	}
	return len(e.problems) == before
}

// convert coerces a value of a wrong type, and reports whether it can. The new value replaces the old one at once, for
// the keywords below and for those of outer schemas that are yet to come, whatever the outcome of this schema.
func (e *evaluation) convert(n *node, at *cursor) bool {
	v, ok := coerce(at.value, n.types)
	if !ok || !e.coerces {
		return false
	}
	at.value = v
	if at.replace != nil {
		at.replace(v)
	}
	return true
}

// probe reports whether the value meets a schema. It stops at the first problem and keeps none.
func (e *evaluation) probe(n *node, at *cursor) bool {
	before, limit := len(e.problems), e.limit
	e.limit = before + 1
	valid := e.visit(n, at)
	e.problems, e.limit = e.problems[:before], limit
	return valid
}

// match evaluates n alternatives until enough of them have no problem, and returns their numbers. If it is one, the
// problems of the others are dropped.
func (e *evaluation) match(n, enough int, visit func(i int) bool) (passing []string) {
	before, problems := len(e.problems), []problem{}
	for i := 0; i < n && len(passing) < enough; i++ {
		if visit(i) {
			passing = append(passing, strconv.Itoa(i))
		}
		problems = append(problems, e.problems[before:]...)
		e.problems = e.problems[:before]
	}
	if len(passing) != 1 {
		e.problems = append(e.problems, problems...)
	}
	return passing
}

// failType inserts the problem that the value is of none of the schema's types at a place in the list.
func (e *evaluation) failType(n *node, at *cursor, place int) {
	name, single := stringAt(n.schema, "type")
	name = cmp.Or(name, strings.Join(n.types, ","))
	e.problems = slices.Insert(e.problems, place, problem{
		path: at.path, key: at.key, message: "must be " + name, params: "type=" + name,
		container: single && (name == "object" || name == "array"),
	})
}
