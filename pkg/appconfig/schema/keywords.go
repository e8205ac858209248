package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// A keyword takes part in the validation.
type keyword struct {
	name  string
	group int
	types string                            // of its value; "" for any
	eval  func(*rule, *evaluation, *cursor) // nil if another keyword's does it, or there is nothing to do
}

// Keywords are evaluated group by group, in this order. Each group but the first is for one type of value.
const (
	anyGroup = iota
	numberGroup
	stringGroup
	arrayGroup
	objectGroup
	groups
)

var groupTypes = [groups]string{"", "number", "string", "array", "object"}

// keywords are in the order in which ajv evaluates them.
var keywords = []keyword{
	{"$comment", anyGroup, "", nil},
	{"id", anyGroup, "", nil},
	{"$ref", anyGroup, "string", evalAll},
	{"type", anyGroup, "string array", nil},
	{"nullable", anyGroup, "boolean", nil},
	{"const", anyGroup, "", evalConst},
	{"enum", anyGroup, "array", evalEnum},
	{"not", anyGroup, "object boolean", evalNot},
	{"anyOf", anyGroup, "array", evalAnyOf},
	{"oneOf", anyGroup, "array", evalOneOf},
	{"allOf", anyGroup, "array", evalAll},
	{"if", anyGroup, "object boolean", evalIf},
	{"then", anyGroup, "object boolean", nil},
	{"else", anyGroup, "object boolean", nil},
	{"visibility", anyGroup, "", evalNote},
	{"deepVisibility", anyGroup, "", evalNote},
	{"deprecated", anyGroup, "", evalNote},

	{"maximum", numberGroup, "number", evalLimit("<=", func(n, limit float64) bool { return n <= limit })},
	{"minimum", numberGroup, "number", evalLimit(">=", func(n, limit float64) bool { return n >= limit })},
	{"exclusiveMaximum", numberGroup, "number", evalLimit("<", func(n, limit float64) bool { return n < limit })},
	{"exclusiveMinimum", numberGroup, "number", evalLimit(">", func(n, limit float64) bool { return n > limit })},
	{"multipleOf", numberGroup, "number", evalMultipleOf},
	{"format", numberGroup, "string", nil},

	{"maxLength", stringGroup, "number", evalSize},
	{"minLength", stringGroup, "number", evalSize},
	{"pattern", stringGroup, "string", evalPattern},

	{"maxItems", arrayGroup, "number", evalSize},
	{"minItems", arrayGroup, "number", evalSize},
	{"additionalItems", arrayGroup, "boolean object", evalItems},
	{"items", arrayGroup, "object array boolean", evalItems},
	{"contains", arrayGroup, "object boolean", evalContains},
	{"uniqueItems", arrayGroup, "boolean", evalUniqueItems},

	{"maxProperties", objectGroup, "number", evalSize},
	{"minProperties", objectGroup, "number", evalSize},
	{"required", objectGroup, "array", evalRequired},
	{"propertyNames", objectGroup, "object boolean", evalPropertyNames},
	{"additionalProperties", objectGroup, "boolean object", evalAdditionalProperties},
	{"dependencies", objectGroup, "object", evalDependencies},
	{"properties", objectGroup, "object", evalProperties},
	{"patternProperties", objectGroup, "object", evalProperties},
}

// annotations are the keywords that do not take part in the validation.
var annotations = []string{
	"$async", "$schema", "$id", "$defs", "$vocabulary", "definitions", "title", "description", "default", "readOnly",
	"writeOnly", "examples", "contentMediaType", "contentEncoding", "contentSchema",
}

// within returns the schemas in the value of a keyword, not compiled yet.
func within(keyword string, v any) (subs []sub) {
	switch keyword {
	case "additionalItems", "items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else":
		if _, isList := v.([]any); !isList {
			return []sub{{value: v}}
		}
	case "$defs", "definitions", "properties", "patternProperties", "dependencies", "allOf", "anyOf", "oneOf":
	default:
		return nil
	}
	for key, schema := range asObject(v).All() {
		if _, isNames := schema.([]any); !isNames || keyword != "dependencies" {
			subs = append(subs, sub{key: key, value: schema})
		}
	}
	return subs
}

// check returns the error that ajv has for a rule alone.
func (r *rule) check() error {
	kind := func(key string) string { v, _ := r.in.schema.Get(key); return value.TypeOf(v) }
	switch {
	case r.name == "id":
		return errors.New(`NOT SUPPORTED: keyword "id", use "$id" for schema ID`)
	case r.name == "format": // Backstage registers none
		return fmt.Errorf("unknown format \"%s\" ignored in schema at path \"%s\"", r.value, r.in.path)
	case r.name == "enum" && len(r.value.([]any)) == 0:
		return errors.New("enum must have non-empty array")
	case (r.name == "then" || r.name == "else") && kind("if") == "null":
		return fmt.Errorf("strict mode: %q without \"if\" is ignored", r.name)
	case r.name == "if" && kind("then") == "null" && kind("else") == "null":
		return errors.New(`strict mode: "if" without "then" and "else" is ignored`)
	case r.name == "additionalItems" && kind("items") != "array":
		return errors.New(`strict mode: "additionalItems" is ignored when "items" is not an array of schemas`)
	case r.name == "visibility" || r.name == "deepVisibility" || r.name == "deprecated":
		return r.checkNote()
	}
	return nil
}

// checkNote checks the value of one of Backstage's own keywords.
func (r *rule) checkNote() error {
	allowed := map[string][]string{"visibility": Visibilities(), "deepVisibility": {"frontend", "secret"}}[r.name]
	s, isString := r.value.(string)
	var problems []string
	if !isString {
		problems = append(problems, "data must be string")
	}
	if allowed != nil && !slices.Contains(allowed, s) {
		problems = append(problems, "data must be equal to one of the allowed values")
	}
	if problems == nil {
		return nil
	}
	return fmt.Errorf("keyword \"%s\" value is invalid at path \"%s\": %s", r.name, r.in.path, strings.Join(problems, ", "))
}

// setTypes reads the keywords "type" and "nullable".
func (n *node) setTypes() error {
	named, _ := n.schema.Get("type")
	for _, item := range list(named) {
		name, _ := item.(string)
		if !slices.Contains([]string{"string", "number", "integer", "boolean", "null", "object", "array"}, name) {
			return fmt.Errorf("type must be JSONType or JSONType[]: %s", js.String(named))
		}
		n.types = append(n.types, name)
	}
	nullable, has := n.schema.Get("nullable")
	switch hasNull := slices.Contains(n.types, "null"); {
	case hasNull && nullable == false:
		return errors.New("type: null contradicts nullable: false")
	case has && n.types == nil:
		return errors.New(`"nullable" cannot be used without "type"`)
	case !hasNull && nullable == true:
		n.types = append(n.types, "null")
	}
	return nil
}
