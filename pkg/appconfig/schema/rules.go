package schema

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// Each eval function evaluates a rule of the keyword in its name: it reports problems, and may coerce the value. The
// functions of a group's keywords are called with values of the group's type only.

func evalRef(r *rule, e *evaluation, at *cursor) {
	if e.depth++; e.depth > maxDepth {
		e.endless = true
	}
	e.visit(r.subs[0].node, at)
	e.depth--
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
	if r.subs == nil {
		return // one of the schemas accepts any value
	}
	before := len(e.problems)
	for _, s := range r.subs {
		if e.visit(s.node, at) {
			e.problems = e.problems[:before]
			return
		}
	}
	e.fail(at, "must match a schema in anyOf")
}

// evalOneOf stops at the second match. All schemas up to there may have coerced the value.
func evalOneOf(r *rule, e *evaluation, at *cursor) {
	before, passing := len(e.problems), []string{}
	for _, s := range r.subs {
		if len(passing) < 2 && e.visit(s.node, at) {
			passing = append(passing, s.key)
		}
	}
	if len(passing) == 1 {
		e.problems = e.problems[:before]
		return
	}
	e.fail(at, "must match exactly one schema in oneOf", "passingSchemas="+cmp.Or(strings.Join(passing, ","), "null"))
}

// evalAllOf is needed inside "if" only: elsewhere the merged schema has no allOf.
func evalAllOf(r *rule, e *evaluation, at *cursor) {
	for _, s := range r.subs {
		if !e.visit(s.node, at) && !e.all {
			return
		}
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

func evalLimit(r *rule, e *evaluation, at *cursor) {
	n, limit := at.value.(float64), r.value.(float64)
	sign, ok := "<=", n <= limit
	switch r.name {
	case "minimum":
		sign, ok = ">=", n >= limit
	case "exclusiveMaximum":
		sign, ok = "<", n < limit
	case "exclusiveMinimum":
		sign, ok = ">", n > limit
	}
	if !ok {
		e.fail(at, "must be "+sign+" "+js.String(limit), "comparison="+sign, "limit="+js.String(limit))
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
	size, unit, limit := 0, "", r.value.(float64)
	switch v := at.value.(type) {
	case string:
		size, unit = utf8.RuneCountInString(v), "characters"
	case []any:
		size, unit = len(v), "items"
	case *value.Object:
		size, unit = v.Len(), "properties"
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
