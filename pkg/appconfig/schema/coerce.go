package schema

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// hasType reports whether a value is of one of the types.
func hasType(v any, types []string) bool {
	return slices.ContainsFunc(types, func(name string) bool { return isType(v, name) })
}

// isType reports whether a value is of a type of JSON Schema. NaN and the infinities are of none.
func isType(v any, name string) bool {
	if n, ok := v.(float64); ok {
		return !math.IsNaN(n-n) && (name == "number" || name == "integer" && n == math.Trunc(n))
	}
	return name == value.TypeOf(v)
}

// coerce converts a value to the first of the types that ajv can read it as. The types are tried in the schema's
// order, so that ["string", "number"] never makes a number of a boolean.
func coerce(v any, types []string) (any, bool) {
	for _, name := range types {
		switch name {
		case "string":
			switch v.(type) {
			case float64, bool:
				return js.String(v), true
			case nil:
				return "", true
			}
		case "number", "integer":
			number, ok := toNumber(v)
			if ok && (name == "number" || math.IsInf(number, 0) || number == math.Trunc(number)) {
				return number, true
			}
		case "boolean":
			switch v {
			case "false", 0.0, nil:
				return false, true
			case "true", 1.0:
				return true, true
			}
		case "null":
			if slices.Contains([]any{"", 0.0, false}, v) {
				return nil, true
			}
		}
	}
	return nil, false
}

// toNumber converts a boolean, null or a non-empty string as JavaScript's Number does.
func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case nil:
		return 0, true
	case bool:
		return map[bool]float64{true: 1}[v], true
	case string:
		if s := js.Trim(v); strings.HasSuffix(s, "Infinity") {
			number, err := strconv.ParseFloat(s, 64)
			return number, err == nil
		}
		number, ok := js.ParseNumber(v)
		return number, v != "" && (ok || math.IsInf(number, 0))
	}
	return 0, false
}
