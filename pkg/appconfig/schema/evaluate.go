package schema

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// An evaluation is one walk of a value through a schema. The value is private to it: coercion changes it.
type evaluation struct {
	problems []problem
	all      bool                         // go on after a problem
	coerces  bool                         // convert values of other types
	notes    map[string]map[string]string // what Backstage's keywords say of values, by keyword and path
	depth    int                          // of references that are being followed
	endless  bool                         // they were too deep, and the walk was cut short
}

// maxDepth is the depth from which references are taken to lead in a circle.
const maxDepth = 500

// A problem is one failure of a value to meet a schema.
type problem struct {
	path      string // of the value, as a JSON pointer
	key       string // of the value
	message   string
	params    string // "name=value name=value"
	container bool   // an object or an array was expected
	missing   string // the path of the schema of a property that is not there
}

// A cursor is a place in the value that is evaluated.
type cursor struct {
	value   any
	path    string
	key     string // what a Config knows the value by: what is in a list goes by the key of the list
	inList  bool
	replace func(any) // puts another value in its place; nil at the root and for a key
}

// below is the key of a property.
func (at *cursor) below(name string) string {
	if at.inList {
		return at.key
	}
	return strings.TrimPrefix(at.key+"."+name, ".")
}

// property goes to a property of the object at hand, and item to an item of the array.
func (at *cursor) property(key string) *cursor {
	object := at.value.(*value.Object)
	v, _ := object.Get(key)
	return &cursor{v, at.path + "/" + escapePointer(key), at.below(key), at.inList, func(v any) { object.Set(key, v) }}
}

func (at *cursor) item(i int) *cursor {
	items := at.value.([]any)
	return &cursor{items[i], at.path + "/" + strconv.Itoa(i), at.key, true, func(value any) { items[i] = value }}
}

// fail reports a problem with the value. A parameter is "name=value".
func (e *evaluation) fail(at *cursor, message string, params ...string) *problem {
	e.problems = append(e.problems, problem{path: at.path, key: at.key, message: message, params: strings.Join(params, " ")})
	return &e.problems[len(e.problems)-1]
}

// visit evaluates a schema and tells whether the value meets it.
func (e *evaluation) visit(n *node, at *cursor) bool {
	if n.always || e.endless {
		return true
	}
	if n.never {
		e.fail(at, "boolean schema is false")
		return false
	}
	before := len(e.problems)
	// A coerced value takes the place of the old one at once: the keywords below see the new one, and so do those
	// of the schemas around this one that are yet to come, whatever comes of this one.
	if n.typeFirst && !hasType(at.value, n.types) {
		if value, ok := coerce(at.value, n.types); ok && e.coerces {
			at.value = value
			if at.replace != nil {
				at.replace(value)
			}
		} else {
			e.failType(n, at)
		}
	}
	for group, rules := range n.rules {
		switch {
		case len(rules) == 0:
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
		for _, r := range rules {
			if r.eval != nil && (e.all || len(e.problems) == start) {
				r.eval(r, e, at)
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

// failType reports that the value at hand is of none of the schema's types.
func (e *evaluation) failType(n *node, at *cursor) {
	name, single := text(n.schema, "type")
	if !single {
		name = strings.Join(n.types, ",")
	}
	e.fail(at, "must be "+name, "type="+name).container = name == "object" && single || name == "array" && single
}

// hasType tells whether a value is of one of the types.
func hasType(value any, types []string) bool {
	return slices.ContainsFunc(types, func(name string) bool { return isType(value, name) })
}

// isType tells whether a value is of a type of JSON Schema. NaN and the infinities are of none.
func isType(value any, name string) bool {
	if n, ok := value.(float64); ok {
		return !math.IsNaN(n-n) && (name == "number" || name == "integer" && n == math.Trunc(n))
	}
	return name == typeOf(value)
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

// coerce converts a value to the first of the types that it can be read as, by ajv's rules.
func coerce(value any, types []string) (any, bool) {
	// The types are tried in the schema's order, so that ["string", "number"] never makes a number of a boolean.
	for _, name := range types {
		switch name {
		case "string":
			switch value.(type) {
			case float64, bool:
				return toString(value), true
			case nil:
				return "", true
			}
		case "number", "integer":
			number, ok := toNumber(value)
			if ok && (name == "number" || math.IsInf(number, 0) || number == math.Trunc(number)) {
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
