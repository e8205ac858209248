package schema

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// Each eval function evaluates a rule of the keyword in its name: it reports problems, and may coerce the value. The
// functions of a group's keywords are called with values of the group's type only.

// evalAll is for $ref and allOf. An allOf is only in the schemas of "if": elsewhere they are merged.
func evalAll(r *rule, e *evaluation, at *cursor) {
	for _, s := range r.subs {
		e.visit(s.node, at)
	}
}

// evalConst compares by value. The order of keys does not matter.
func evalConst(r *rule, e *evaluation, at *cursor) {
	if !value.Equal(at.value, r.value) {
		e.fail(at, "must be equal to constant", "allowedValue="+js.String(r.value))
	}
}

func evalEnum(r *rule, e *evaluation, at *cursor) {
	if !contains(r.value.([]any), at.value) {
		e.fail(at, "must be equal to one of the allowed values", "allowedValues="+js.String(r.value))
	}
}

// evalNot keeps the notes that were made before the schema failed, as ajv does.
func evalNot(r *rule, e *evaluation, at *cursor) {
	if e.probe(r.subs[0].node, at) {
		e.fail(at, "must NOT be valid")
	}
}

// evalAnyOf stops at the first match: keywords in later schemas do not count.
func evalAnyOf(r *rule, e *evaluation, at *cursor) {
	passing := e.match(len(r.subs), 1, func(i int) bool { return e.visit(r.subs[i].node, at) })
	if r.subs != nil && passing == nil { // no schemas if one of them accepts any value
		e.fail(at, "must match a schema in anyOf")
	}
}

// evalOneOf stops at the second match. All schemas up to there may have coerced the value.
func evalOneOf(r *rule, e *evaluation, at *cursor) {
	passing := e.match(len(r.subs), 2, func(i int) bool { return e.visit(r.subs[i].node, at) })
	if len(passing) != 1 {
		e.fail(at, "must match exactly one schema in oneOf", "passingSchemas="+cmp.Or(strings.Join(passing, ","), "null"))
	}
}

// evalIf skips the condition if no clause can fail.
func evalIf(r *rule, e *evaluation, at *cursor) {
	clauses := slices.Concat(r.in.rule(anyGroup, "then").subs, r.in.rule(anyGroup, "else").subs)
	if !slices.ContainsFunc(clauses, func(s sub) bool { return !s.always }) {
		return
	}
	name := "else"
	if e.probe(r.subs[0].node, at) {
		name = "then"
	}
	for _, s := range r.in.rule(anyGroup, name).subs {
		if !e.visit(s.node, at) {
			e.fail(at, `must match "`+name+`" schema`, "failingKeyword="+name)
		}
	}
}

// evalNote notes the value of one of Backstage's own keywords. A schema that is evaluated later replaces it, unless it
// says "backend", the default.
func evalNote(r *rule, e *evaluation, at *cursor) {
	if e.notes != nil && (r.name == "deprecated" || r.value != "backend") {
		e.notes[r.name][normalizePath(at.path)] = r.value.(string)
	}
}

// evalLimit returns the function of a keyword that compares a number with a limit.
func evalLimit(sign string, holds func(n, limit float64) bool) func(*rule, *evaluation, *cursor) {
	return func(r *rule, e *evaluation, at *cursor) {
		if limit := js.String(r.value); !holds(at.value.(float64), r.value.(float64)) {
			e.fail(at, "must be "+sign+" "+limit, "comparison="+sign, "limit="+limit)
		}
	}
}

// evalMultipleOf divides doubles: 0.3 is no multiple of 0.1, as in JavaScript.
func evalMultipleOf(r *rule, e *evaluation, at *cursor) {
	// ajv compares with parseInt, which misreads 1e21 and more: JavaScript writes them with an exponent.
	quotient := at.value.(float64) / r.value.(float64)
	if quotient != math.Trunc(quotient) || math.Abs(quotient) >= 1e21 || math.IsNaN(quotient) {
		e.fail(at, "must be multiple of "+js.String(r.value), "multipleOf="+js.String(r.value))
	}
}

// evalSize counts characters (not UTF-16 units), items or properties.
func evalSize(r *rule, e *evaluation, at *cursor) {
	size, unit, limit := asObject(at.value).Len(), strings.ToLower(r.name[len("max"):]), r.value.(float64)
	if s, ok := at.value.(string); ok {
		size, unit = utf8.RuneCountInString(s), "characters"
	}
	comparison, ok := "more", float64(size) <= limit
	if strings.HasPrefix(r.name, "min") {
		comparison, ok = "fewer", float64(size) >= limit
	}
	if !ok {
		e.fail(at, fmt.Sprintf("must NOT have %s than %s %s", comparison, js.String(limit), unit), "limit="+js.String(limit))
	}
}

// evalPattern looks for a match anywhere in the string.
func evalPattern(r *rule, e *evaluation, at *cursor) {
	if source := r.value.(string); !r.subs[0].pattern.Test(at.value.(string)) {
		e.fail(at, `must match pattern "`+source+`"`, "pattern="+source)
	}
}

// evalItems is for additionalItems as well: the items after those that "items" lists.
func evalItems(r *rule, e *evaluation, at *cursor) {
	items, from := at.value.([]any), 0
	named, _ := r.in.schema.Get("items")
	tuple, isTuple := named.([]any)
	if r.name == "additionalItems" {
		from, isTuple = len(tuple), false
		if size := strconv.Itoa(from); r.value == false && len(items) > from {
			e.fail(at, "must NOT have more than "+size+" items", "limit="+size)
			return
		}
	}
	for i := from; i < len(items) && (!isTuple || i < len(tuple)); i++ {
		e.visit(r.subs[min(i, len(r.subs)-1)].node, at.item(i))
	}
}

// evalContains stops at the first match.
func evalContains(r *rule, e *evaluation, at *cursor) {
	matches := func(i int) bool { return e.visit(r.subs[0].node, at.item(i)) }
	if e.match(len(at.value.([]any)), 1, matches) == nil {
		e.fail(at, "must contain at least 1 valid item(s)", "minContains=1")
	}
}

// evalUniqueItems reports the pair that ajv finds first. If "items" allows only scalars, that is an item and a later
// one, and items of other types do not count. Otherwise it is an item and an earlier one.
func evalUniqueItems(r *rule, e *evaluation, at *cursor) {
	var types []string
	step := -1
	for _, s := range r.in.rule(arrayGroup, "items").subs {
		if s.key == "" && s.types != nil && !slices.Contains(s.types, "object") && !slices.Contains(s.types, "array") {
			types, step = s.types, 1
		}
	}
	items := at.value.([]any)
	for i, item := range slices.Backward(items) {
		for j := i + step; j >= 0 && j < len(items); j += step {
			if r.value == true && value.Equal(item, items[j]) && (types == nil || hasType(item, types)) {
				message := fmt.Sprintf("must NOT have duplicate items (items ## %d and %d are identical)", j, i)
				e.fail(at, message, "i="+strconv.Itoa(i), "j="+strconv.Itoa(j))
				return
			}
		}
	}
}

// evalRequired reports a problem for each missing property.
func evalRequired(r *rule, e *evaluation, at *cursor) {
	for _, item := range r.value.([]any) {
		if name := js.String(item); !at.value.(*value.Object).Has(name) {
			p := e.fail(at, "must have required property '"+name+"'", "missingProperty="+name)
			p.missing = strings.TrimPrefix(normalizePath(r.in.path), "#") + "/properties/" + name
		}
	}
}

// evalPropertyNames evaluates each name as a value. Problems are reported at the object.
func evalPropertyNames(r *rule, e *evaluation, at *cursor) {
	for key := range at.value.(*value.Object).All() {
		if !e.visit(r.subs[0].node, &cursor{value: key, path: at.path, key: at.key, inList: at.inList}) {
			e.fail(at, "property name must be valid", "propertyName="+key)
		}
	}
}

// evalAdditionalProperties is for properties that are in neither "properties" nor "patternProperties".
func evalAdditionalProperties(r *rule, e *evaluation, at *cursor) {
	for key := range at.value.(*value.Object).All() {
		switch {
		case r.in.declared(key) != nil:
		case r.value == false:
			e.fail(at, "must NOT have additional properties", "additionalProperty="+key).key = at.below(key)
		default:
			e.visit(r.subs[0].node, at.property(key))
		}
	}
}

// evalDependencies evaluates the lists of required properties first, then the schemas.
func evalDependencies(r *rule, e *evaluation, at *cursor) {
	object := at.value.(*value.Object)
	for key, v := range r.value.(*value.Object).All() {
		names, _ := v.([]any)
		noun, all := "properties", strings.ReplaceAll(js.String(v), ",", ", ")
		if len(names) == 1 {
			noun = "property"
		}
		for _, item := range names {
			if name := js.String(item); object.Has(key) && !object.Has(name) {
				e.fail(at, fmt.Sprintf("must have %s %s when property %s is present", noun, all, key), "property="+key,
					"missingProperty="+name, "depsCount="+strconv.Itoa(len(names)), "deps="+all)
			}
		}
	}
	for _, s := range r.subs {
		if object.Has(s.key) {
			e.visit(s.node, at)
		}
	}
}

// evalProperties evaluates properties in the order of the schema, not of the value.
func evalProperties(r *rule, e *evaluation, at *cursor) {
	for _, s := range r.subs {
		for key := range at.value.(*value.Object).All() {
			if s.describes(key) {
				e.visit(s.node, at.property(key))
			}
		}
	}
}
