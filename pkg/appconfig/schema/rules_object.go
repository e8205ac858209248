package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// evalRequired reports a problem for each missing property.
func evalRequired(r *rule, e *evaluation, at *cursor) {
	for _, item := range r.value.([]any) {
		name := js.String(item)
		if at.value.(*value.Object).Has(name) {
			continue
		}
		p := e.fail(at, "must have required property '"+name+"'", "missingProperty="+name)
		p.missing = strings.TrimPrefix(normalizePath(r.in.path), "#") + "/properties/" + name
		if !e.all {
			return
		}
	}
}

// evalPropertyNames evaluates each name as a value. Problems are reported at the object.
func evalPropertyNames(r *rule, e *evaluation, at *cursor) {
	for _, key := range at.value.(*value.Object).Keys() {
		if !e.visit(r.subs[0].node, &cursor{value: key, path: at.path, key: at.key, inList: at.inList}) {
			e.fail(at, "property name must be valid", "propertyName="+key)
			if !e.all {
				return
			}
		}
	}
}

// evalAdditionalProperties is for properties that are in neither "properties" nor "patternProperties".
func evalAdditionalProperties(r *rule, e *evaluation, at *cursor) {
	for _, key := range at.value.(*value.Object).Keys() {
		switch {
		case r.in.declared(key) != nil:
		case r.value == false:
			e.fail(at, "must NOT have additional properties", "additionalProperty="+key).key = at.below(key)
			if !e.all {
				return
			}
		case !e.visit(r.subs[0].node, at.property(key)) && !e.all:
			return
		}
	}
}

// evalDependencies evaluates the lists of required properties first, then the schemas.
func evalDependencies(r *rule, e *evaluation, at *cursor) {
	object := at.value.(*value.Object)
	for key, v := range r.value.(*value.Object).All() {
		names, _ := v.([]any)
		if !object.Has(key) || len(names) == 0 {
			continue
		}
		noun := "properties"
		if len(names) == 1 {
			noun = "property"
		}
		all := strings.ReplaceAll(js.String(names), ",", ", ")
		for _, item := range names {
			if object.Has(js.String(item)) {
				continue
			}
			e.fail(at, fmt.Sprintf("must have %s %s when property %s is present", noun, all, key), "property="+key,
				"missingProperty="+js.String(item), "depsCount="+strconv.Itoa(len(names)), "deps="+all)
			if !e.all {
				return
			}
		}
	}
	for _, s := range r.subs {
		if object.Has(s.key) && !e.visit(s.node, at) && !e.all {
			return
		}
	}
}

// evalProperties evaluates properties in the order of the schema, not of the value.
func evalProperties(r *rule, e *evaluation, at *cursor) {
	object := at.value.(*value.Object)
	for _, s := range r.subs {
		keys := []string{s.key}
		if s.pattern != nil {
			keys = object.Keys()
		}
		for _, key := range keys {
			if !object.Has(key) || s.pattern != nil && !s.pattern.Test(key) {
				continue
			}
			if !e.visit(s.node, at.property(key)) && !e.all {
				return
			}
		}
	}
}
