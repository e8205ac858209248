package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// A requirement is a property that must be there.
type requirement struct {
	name    string
	problem problem // if it is not
}

// require reports the properties that are missing and tells whether to go on.
func (e *evaluation) require(at *cursor, list []requirement) bool {
	for _, r := range list {
		if _, ok := at.value.(*appconfig.Object).Get(r.name); !ok {
			if e.fail(at, r.problem); !e.all {
				return false
			}
		}
	}
	return true
}

// compileRequired reports one problem for each property that is missing.
func compileRequired(s *site) (check, error) {
	var list []requirement
	for _, item := range s.value.([]any) {
		name := toString(item)
		p := newProblem("must have required property '"+name+"'", "missingProperty", name)
		p.missing = strings.TrimPrefix(normalizePath(s.path), "#") + "/properties/" + name
		list = append(list, requirement{name, p})
	}
	return func(e *evaluation, at *cursor) { e.require(at, list) }, nil
}

// compileDependencies compiles lists of what else must be there, and then schemas, for when a property is.
func compileDependencies(s *site) (check, error) {
	lists := map[string][]requirement{}
	schemas := map[string]*node{}
	keys := s.value.(*appconfig.Object).Keys()
	for _, key := range keys {
		value, _ := s.value.(*appconfig.Object).Get(key)
		if list, ok := value.([]any); ok {
			lists[key] = s.dependents(key, list)
			continue
		}
		n, err := s.liveAt(key, value)
		if err != nil {
			return nil, err
		} else if n != nil {
			schemas[key] = n
		}
	}
	return func(e *evaluation, at *cursor) {
		object := at.value.(*appconfig.Object)
		for _, key := range keys {
			if _, ok := object.Get(key); ok && !e.require(at, lists[key]) {
				return
			}
		}
		for _, key := range keys {
			if _, ok := object.Get(key); ok && schemas[key] != nil && !e.visit(schemas[key], at) && !e.all {
				return
			}
		}
	}, nil
}

// dependents lists what must be there when the property is.
func (s *site) dependents(property string, list []any) (required []requirement) {
	noun := "properties"
	if len(list) == 1 {
		noun = "property"
	}
	names := make([]string, len(list))
	for i, item := range list {
		names[i] = toString(item)
	}
	all := strings.Join(names, ", ")
	message := fmt.Sprintf("must have %s %s when property %s is present", noun, all, property)
	for _, name := range names {
		required = append(required, requirement{name, newProblem(message,
			"property", property, "missingProperty", name, "depsCount", strconv.Itoa(len(list)), "deps", all)})
	}
	return required
}
