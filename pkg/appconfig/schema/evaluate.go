package schema

import (
	"math"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// An evaluation is one walk of a value through a schema. The value is private to it: coercion changes it.
type evaluation struct {
	problems       []problem
	all            bool // go on after a problem
	visibility     notes
	deepVisibility notes
	deprecation    notes
	depth          int  // of references that are being followed
	endless        bool // they were too deep, and the walk was cut short
}

// maxDepth is the depth from which references are taken to lead in a circle.
const maxDepth = 500

// A problem is one failure of a value to meet a schema.
type problem struct {
	path      string // of the value, as a JSON pointer
	message   string
	params    string // "name=value name=value"
	container bool   // an object or an array was expected
	missing   string // the path of the schema of a property that is not there
}

// notes are what keywords say of values, by the value's path in Backstage's spelling.
type notes map[string]string

func (n *notes) set(at *cursor, note string) {
	if *n == nil {
		*n = notes{}
	}
	(*n)[normalizePath(at.path)] = note
}

// A cursor is a place in the value that is evaluated.
type cursor struct {
	value  any
	path   string
	parent any    // what holds the value: an object or an array; nil at the root and for a key
	key    string // in an object
	index  int    // in an array
}

// property goes to a property of the object at hand, and item to an item of the array.
func (at *cursor) property(key string) *cursor {
	object := at.value.(*appconfig.Object)
	value, _ := object.Get(key)
	return &cursor{value: value, path: at.path + "/" + escapePointer(key), parent: object, key: key}
}

func (at *cursor) item(i int) *cursor {
	items := at.value.([]any)
	return &cursor{value: items[i], path: at.path + "/" + strconv.Itoa(i), parent: items, index: i}
}

// replace puts a coerced value in the place of the one it was made from.
func (at *cursor) replace(value any) {
	at.value = value
	switch parent := at.parent.(type) {
	case *appconfig.Object:
		parent.Set(at.key, value)
	case []any:
		parent[at.index] = value
	}
}

// newProblem returns a problem with a value whose path is yet to be filled in. params are names and values.
func newProblem(message string, params ...string) problem {
	var b strings.Builder
	for i := 0; i < len(params); i += 2 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(params[i] + "=" + params[i+1])
	}
	return problem{message: message, params: b.String()}
}

// fail reports a problem with the value.
func (e *evaluation) fail(at *cursor, p problem) {
	p.path = at.path
	e.problems = append(e.problems, p)
}

// visit evaluates a schema and tells whether the value meets it.
func (e *evaluation) visit(n *node, at *cursor) bool {
	if n.always || e.endless {
		return true
	}
	if n.never {
		e.fail(at, newProblem("boolean schema is false"))
		return false
	}
	before := len(e.problems)
	// A coerced value takes the place of the old one at once: the keywords below see the new one, and so do those
	// of the schemas around this one that are yet to come, whatever comes of this one.
	if n.typeFirst && !hasType(at.value, n.types) {
		if value, ok := coerce(at.value, n); ok {
			at.replace(value)
		} else {
			e.failType(n, at)
		}
	}
	for group, checks := range n.checks {
		switch {
		case !n.used[group]:
			continue
		case group > anyGroup && !e.all && len(e.problems) > before:
			// The first group is evaluated even after a failed type: this is how ajv nests its generated code.
			return false
		case group > anyGroup && !isType(at.value, groupTypes[group]):
			// Keywords for the one type that is allowed are where ajv reports that the value is of another.
			if !n.typeFirst && len(n.types) == 1 && n.types[0] == groupTypes[group] {
				e.failType(n, at)
			}
			continue
		}
		start := len(e.problems)
		for _, check := range checks {
			check(e, at)
			if !e.all && len(e.problems) > start {
				break
			}
		}
	}
	return len(e.problems) == before
}

// probe tells whether the value meets a schema, and keeps no problem. It stops at the first.
func (e *evaluation) probe(n *node, at *cursor) bool {
	before, all := len(e.problems), e.all
	e.all = false
	valid := e.visit(n, at)
	e.problems, e.all = e.problems[:before], all
	return valid
}

// call evaluates a schema that a reference leads to. What it coerces the value to is seen in the value's
// parent alone, not by the keywords beside the reference.
func (e *evaluation) call(n *node, at *cursor) {
	if e.depth++; e.depth > maxDepth {
		e.endless = true
	}
	all, inner := e.all, *at
	e.all = true
	e.visit(n, &inner)
	e.all = all
	e.depth--
}

// failType reports that the value at hand is of none of the schema's types.
func (e *evaluation) failType(n *node, at *cursor) {
	p := newProblem("must be "+n.typeText, "type", n.typeText)
	p.container = n.single == "object" || n.single == "array"
	e.fail(at, p)
}

// hasType tells whether a value is of one of the types.
func hasType(value any, types []string) bool {
	for _, name := range types {
		if isType(value, name) {
			return true
		}
	}
	return false
}

// isType tells whether a value is of a type of JSON Schema. NaN and the infinities are of none.
func isType(value any, name string) bool {
	switch v := value.(type) {
	case float64:
		finite := !math.IsNaN(v) && !math.IsInf(v, 0)
		return finite && (name == "number" || name == "integer" && v == math.Trunc(v))
	default:
		return name == typeOf(value)
	}
}

// typeOf names the JSON type of a value.
func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// coerce converts a value to the first of the schema's types that it can be read as, by ajv's rules.
func coerce(value any, n *node) (any, bool) {
	if !n.coerces {
		return nil, false
	}
	// The types are tried in the schema's order, so that ["string", "number"] never makes a number of a boolean.
	for _, name := range n.types {
		switch name {
		case "string":
			switch value.(type) {
			case float64, bool:
				return toString(value), true
			case nil:
				return "", true
			}
		case "number", "integer":
			if number, ok := toNumber(value); ok && (name == "number" || wholeOrInfinite(number)) {
				return number, true
			}
		case "boolean":
			switch value {
			case "false", 0.0, nil:
				return false, true
			case "true", 1.0:
				return true, true
			}
		case "null":
			switch value {
			case "", 0.0, false:
				return nil, true
			}
		}
	}
	return nil, false
}

// wholeOrInfinite tells whether n%1 is not a number other than 0 in JavaScript.
func wholeOrInfinite(n float64) bool { return math.IsInf(n, 0) || n == math.Trunc(n) }
