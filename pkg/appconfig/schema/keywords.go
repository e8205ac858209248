package schema

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// A keyword takes part in validation, or at least counts as a rule.
type keyword struct {
	name    string
	group   int
	types   []string // of its value; none for any
	values  []any    // that it may have; none for any
	compile func(*site) (check, error)
}

// anyText stands for all texts among a keyword's values.
const anyText = "*"

// keywords lists the keywords in the order in which ajv evaluates them.
func keywords() []keyword {
	number, object := []string{"number"}, []string{"object"}
	array, flag := []string{"array"}, []string{"boolean"}
	schema := []string{"object", "boolean"}
	optional := []string{"boolean", "object"}
	return []keyword{
		{"id", anyGroup, nil, nil, refuseID},
		{"$ref", anyGroup, []string{"string"}, nil, compileRef},
		{"type", anyGroup, []string{"string", "array"}, nil, nil},
		{"nullable", anyGroup, flag, nil, nil},
		{"const", anyGroup, nil, nil, compileConst},
		{"enum", anyGroup, array, nil, compileEnum},
		{"not", anyGroup, schema, nil, compileNot},
		{"anyOf", anyGroup, array, nil, compileAnyOf},
		{"oneOf", anyGroup, array, nil, compileOneOf},
		{"allOf", anyGroup, array, nil, compileAllOf},
		{"if", anyGroup, schema, nil, compileIf},
		{"then", anyGroup, schema, nil, checkIf},
		{"else", anyGroup, schema, nil, checkIf},
		{"visibility", anyGroup, nil, []any{"frontend", "backend", "secret"}, noteVisibility},
		{"deepVisibility", anyGroup, nil, []any{"frontend", "secret"}, noteDeepVisibility},
		{"deprecated", anyGroup, nil, []any{anyText}, noteDeprecation},

		{"maximum", numberGroup, number, nil, limitNumber("<=", func(a, b float64) bool { return a <= b })},
		{"minimum", numberGroup, number, nil, limitNumber(">=", func(a, b float64) bool { return a >= b })},
		{"exclusiveMaximum", numberGroup, number, nil, limitNumber("<", func(a, b float64) bool { return a < b })},
		{"exclusiveMinimum", numberGroup, number, nil, limitNumber(">", func(a, b float64) bool { return a > b })},
		{"multipleOf", numberGroup, number, nil, compileMultipleOf},
		{"format", numberGroup, []string{"string"}, nil, refuseFormat},

		{"maxLength", stringGroup, number, nil, limitSize("more", "characters", textLength)},
		{"minLength", stringGroup, number, nil, limitSize("fewer", "characters", textLength)},
		{"pattern", stringGroup, []string{"string"}, nil, compilePattern},
		{"format", stringGroup, []string{"string"}, nil, nil},

		{"maxItems", arrayGroup, number, nil, limitSize("more", "items", arrayLength)},
		{"minItems", arrayGroup, number, nil, limitSize("fewer", "items", arrayLength)},
		{"additionalItems", arrayGroup, optional, nil, compileAdditionalItems},
		{"items", arrayGroup, []string{"object", "array", "boolean"}, nil, compileItems},
		{"contains", arrayGroup, schema, nil, compileContains},
		{"uniqueItems", arrayGroup, flag, nil, compileUniqueItems},

		{"maxProperties", objectGroup, number, nil, limitSize("more", "properties", objectSize)},
		{"minProperties", objectGroup, number, nil, limitSize("fewer", "properties", objectSize)},
		{"required", objectGroup, array, nil, compileRequired},
		{"propertyNames", objectGroup, schema, nil, compilePropertyNames},
		{"additionalProperties", objectGroup, optional, nil, compileAdditionalProperties},
		{"dependencies", objectGroup, object, nil, compileDependencies},
		{"properties", objectGroup, object, nil, compileProperties},
		{"patternProperties", objectGroup, object, nil, compilePatternProperties},
	}
}

// vocabulary tells of every keyword that may be in a schema whether it is a rule.
func vocabulary() map[string]bool {
	known := map[string]bool{"$comment": true}
	for _, name := range []string{
		"$async", "$schema", "$id", "$defs", "$vocabulary", "definitions", "title", "description", "default", "readOnly",
		"writeOnly", "examples", "contentMediaType", "contentEncoding", "contentSchema",
	} {
		known[name] = false
	}
	for _, k := range keywords() {
		known[k.name] = true
	}
	return known
}

// refuseID refuses the $id of draft 4.
func refuseID(*site) (check, error) {
	return nil, errors.New(`NOT SUPPORTED: keyword "id", use "$id" for schema ID`)
}

// refuseFormat refuses every format: Backstage registers none.
func refuseFormat(s *site) (check, error) {
	if s.meta == nil {
		return nil, nil
	}
	return nil, fmt.Errorf("unknown format %s ignored in schema at path %s", quoted(s.value.(string)), quoted(s.path))
}

// noteVisibility notes who may see the value at hand. That of a schema evaluated later replaces it; as "backend" is
// the default it replaces nothing.
func noteVisibility(s *site) (check, error) {
	visibility := s.value.(string)
	if visibility == "backend" {
		return nil, nil // the default
	}
	return func(e *evaluation, at *cursor) { e.visibility.set(at, visibility) }, nil
}

// noteDeepVisibility notes the visibility of what is within the value at hand.
func noteDeepVisibility(s *site) (check, error) {
	return func(e *evaluation, at *cursor) { e.deepVisibility.set(at, s.value.(string)) }, nil
}

// noteDeprecation notes that the value at hand should not be there any more.
func noteDeprecation(s *site) (check, error) {
	return func(e *evaluation, at *cursor) { e.deprecation.set(at, s.value.(string)) }, nil
}

// compileConst compares by value, objects whatever the order of their keys. The value may have been coerced.
func compileConst(s *site) (check, error) {
	p := newProblem("must be equal to constant", "allowedValue", toString(s.value))
	return func(e *evaluation, at *cursor) {
		if !appconfig.Equal(at.value, s.value) {
			e.fail(at, p)
		}
	}, nil
}

// compileEnum compares as compileConst does.
func compileEnum(s *site) (check, error) {
	values := s.value.([]any)
	if len(values) == 0 {
		return nil, errors.New("enum must have non-empty array")
	}
	p := newProblem("must be equal to one of the allowed values", "allowedValues", toString(s.value))
	return func(e *evaluation, at *cursor) {
		if !slices.ContainsFunc(values, func(v any) bool { return appconfig.Equal(at.value, v) }) {
			e.fail(at, p)
		}
	}, nil
}

// limitNumber returns the compiler of a limit: holds tells whether a number is within it.
func limitNumber(sign string, holds func(a, b float64) bool) func(*site) (check, error) {
	return func(s *site) (check, error) {
		limit := s.value.(float64)
		p := newProblem("must be "+sign+" "+toString(limit), "comparison", sign, "limit", toString(limit))
		return func(e *evaluation, at *cursor) {
			if !holds(at.value.(float64), limit) {
				e.fail(at, p)
			}
		}, nil
	}
}

// compileMultipleOf divides doubles: 0.3 is no multiple of 0.1, as in JavaScript.
func compileMultipleOf(s *site) (check, error) {
	step := s.value.(float64)
	p := newProblem("must be multiple of "+toString(step), "multipleOf", toString(step))
	return func(e *evaluation, at *cursor) {
		// From 1e21 on JavaScript writes numbers with an exponent, and parseInt reads no more than its first digits.
		quotient := at.value.(float64) / step
		if quotient != math.Trunc(quotient) || math.Abs(quotient) >= 1e21 || math.IsNaN(quotient) {
			e.fail(at, p)
		}
	}, nil
}

// textLength counts characters, as ajv does, not UTF-16 units.
func textLength(value any) int  { return utf8.RuneCountInString(value.(string)) }
func arrayLength(value any) int { return len(value.([]any)) }
func objectSize(value any) int  { return value.(*appconfig.Object).Len() }

// limitSize returns the compiler of a limit to what size counts.
func limitSize(comparison, unit string, size func(any) int) func(*site) (check, error) {
	return func(s *site) (check, error) {
		limit := s.value.(float64)
		message := fmt.Sprintf("must NOT have %s than %s %s", comparison, toString(limit), unit)
		p := newProblem(message, "limit", toString(limit))
		return func(e *evaluation, at *cursor) {
			n := float64(size(at.value))
			if comparison == "more" && n > limit || comparison == "fewer" && n < limit {
				e.fail(at, p)
			}
		}, nil
	}
}

// compilePattern looks for a match anywhere in the text.
func compilePattern(s *site) (check, error) {
	pattern := s.value.(string)
	re, err := newPattern(pattern)
	if err != nil {
		return nil, err
	}
	p := newProblem(`must match pattern "`+pattern+`"`, "pattern", pattern)
	return func(e *evaluation, at *cursor) {
		if !re.matches(at.value.(string)) {
			e.fail(at, p)
		}
	}, nil
}

// compileUniqueItems compares items as ajv does: by their text where "items" allows nothing but scalars,
// else by value; the pair found first decides the message.
func compileUniqueItems(s *site) (check, error) {
	if s.value == false {
		return nil, nil
	}
	var types []string
	if items, ok := s.schema.Get("items"); ok {
		if object, ok := items.(*appconfig.Object); ok {
			n := &node{}
			if err := s.compileType(n, object); err != nil {
				return nil, err
			}
			types = n.types
		}
	}
	scalars := len(types) > 0 && !slices.Contains(types, "object") && !slices.Contains(types, "array")
	return func(e *evaluation, at *cursor) {
		items := at.value.([]any)
		i, j := duplicate(items)
		if scalars {
			i, j = duplicateScalar(items, types)
		}
		if i < 0 {
			return
		}
		message := fmt.Sprintf("must NOT have duplicate items (items ## %d and %d are identical)", j, i)
		e.fail(at, newProblem(message, "i", strconv.Itoa(i), "j", strconv.Itoa(j)))
	}, nil
}

// duplicate returns the last item that equals an earlier one, and the nearest such one; i is -1 if there is none.
func duplicate(items []any) (i, j int) {
	for i := len(items) - 1; i > 0; i-- {
		for j := i - 1; j >= 0; j-- {
			if appconfig.Equal(items[i], items[j]) {
				return i, j
			}
		}
	}
	return -1, -1
}

// duplicateScalar returns an item and the next one after it with the same text. Items of other types do not count;
// with several types allowed, texts are told apart from other scalars.
func duplicateScalar(items []any, types []string) (i, j int) {
	seen := map[string]int{}
	for i, item := range slices.Backward(items) {
		if !hasType(item, types) {
			continue
		}
		key := toString(item)
		switch item.(type) {
		case nil:
			key = "null"
		case string:
			if len(types) > 1 {
				key += "_"
			}
		}
		if j, ok := seen[key]; ok {
			return i, j
		}
		seen[key] = i
	}
	return -1, -1
}
