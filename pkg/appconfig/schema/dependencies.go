package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

func compileDependencies(s *site) (check, error) {
	type needs struct {
		property string
		names    []string
		problems []problem
	}
	var properties []needs
	var schemas []member
	deps := s.value.(*appconfig.Object)
	for _, key := range deps.Keys() {
		value, _ := deps.Get(key)
		list, ok := value.([]any)
		if !ok {
			continue
		}
		n := needs{property: key}
		noun := "properties"
		if len(list) == 1 {
			noun = "property"
		}
		for _, item := range list {
			n.names = append(n.names, toString(item))
		}
		all := strings.Join(n.names, ", ")
		for _, name := range n.names {
			message := fmt.Sprintf("must have %s %s when property %s is present", noun, all, key)
			n.problems = append(n.problems, s.problem(message,
				"property", key, "missingProperty", name, "depsCount", strconv.Itoa(len(list)), "deps", all))
		}
		properties = append(properties, n)
	}
	for _, key := range deps.Keys() {
		value, _ := deps.Get(key)
		if _, ok := value.([]any); ok {
			continue
		}
		if live, err := s.live(value); err != nil {
			return nil, err
		} else if live {
			n, err := s.subAt(key, value)
			if err != nil {
				return nil, err
			}
			schemas = append(schemas, member{key, n})
		}
	}
	return func(e *evaluation, at *cursor) {
		object := at.value.(*appconfig.Object)
		for _, n := range properties {
			if _, ok := object.Get(n.property); !ok {
				continue
			}
			for i, name := range n.names {
				if _, ok := object.Get(name); !ok {
					e.fail(at, n.problems[i])
					if !e.all {
						return
					}
				}
			}
		}
		for _, m := range schemas {
			if _, ok := object.Get(m.key); ok && !e.visit(m.node, at) && !e.all {
				return
			}
		}
	}, nil
}
