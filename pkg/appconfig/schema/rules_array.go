package schema

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

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
		if !e.visit(r.subs[min(i, len(r.subs)-1)].node, at.item(i)) && !e.all {
			return
		}
	}
}

// evalContains stops at the first match, and drops the problems of the items before it.
func evalContains(r *rule, e *evaluation, at *cursor) {
	before := len(e.problems)
	for i := range at.value.([]any) {
		if e.visit(r.subs[0].node, at.item(i)) {
			e.problems = e.problems[:before]
			return
		}
	}
	e.fail(at, "must contain at least 1 valid item(s)", "minContains=1")
}

// evalUniqueItems reports the pair that ajv finds first. If "items" allows only scalars, that is an item and a later
// one, and items of other types do not count. Otherwise it is an item and an earlier one.
func evalUniqueItems(r *rule, e *evaluation, at *cursor) {
	if r.value == false {
		return
	}
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
			if value.Equal(item, items[j]) && (types == nil || hasType(item, types)) {
				message := fmt.Sprintf("must NOT have duplicate items (items ## %d and %d are identical)", j, i)
				e.fail(at, message, "i="+strconv.Itoa(i), "j="+strconv.Itoa(j))
				return
			}
		}
	}
}
