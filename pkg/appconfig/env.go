package appconfig

import (
	"errors"
	"fmt"
	"strings"
)

const envPrefix = "APP_CONFIG_"

// environ is the environment of a load: variables by name, and their names in order.
type environ struct {
	values map[string]string
	names  []string
	lax    bool // a variable that is not set, or empty, is "x" to ${…} and $env
}

func newEnviron(pairs []string) *environ {
	e := &environ{values: make(map[string]string, len(pairs))}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			continue
		}
		if _, ok := e.values[name]; !ok {
			e.names = append(e.names, name)
		}
		e.values[name] = validUTF8([]byte(value))
	}
	return e
}

// lookup returns the value of a variable: trimmed, but as it is for the lax, as backstage-cli takes it.
func (e *environ) lookup(name string) (string, bool) {
	value, ok := e.values[name]
	switch {
	case !e.lax:
		return trim(value), ok
	case value == "":
		return "x", true
	}
	return value, true
}

// config returns what the APP_CONFIG_ variables set, or nil if there are none. The parts of a key are
// separated by "_". A value that is JSON is taken as such, all others are texts.
func (e *environ) config() (*Object, error) {
	var data *Object
	for _, name := range e.names {
		key, ok := strings.CutPrefix(name, envPrefix)
		value := e.values[name]
		if !ok || value == "" {
			continue
		}
		if data == nil {
			data = &Object{}
		}
		if err := setVariable(data, key, value, &source{variables: []string{name}, noLines: true}); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func setVariable(object *Object, key, value string, from *source) error {
	parts := strings.Split(key, "_")
	for i, part := range parts {
		if part == "" || !validKey(part) || strings.Contains(part, ".") {
			return textError(fmt.Sprintf("Invalid env config key '%s'", key))
		}
		under, ok := object.Get(part)
		if i == len(parts)-1 {
			if ok {
				return textError(fmt.Sprintf("Refusing to override existing config at key '%s'", key))
			}
			break
		}
		if under == nil {
			under = &Object{}
			object.set(part, under, position{from: from})
		}
		inner, ok := under.(*Object)
		if !ok {
			return textError(fmt.Sprintf("Could not nest config for key '%s' under existing value '%s'",
				key, strings.Join(parts[:i+1], "_")))
		}
		object = inner
	}
	parsed, pos, err := parseJSON(value, from)
	if errors.Is(err, errDepth) {
		return fmt.Errorf("config value for key '%s' is %w", key, err)
	}
	if err != nil {
		parsed, pos = value, position{from: from}
	}
	if parsed == nil && err == nil {
		return textError(fmt.Sprintf("Failed to parse JSON-serialized config value for key '%s', "+
			"Error: value may not be null", key))
	}
	object.set(parts[len(parts)-1], parsed, pos)
	return nil
}

// errDepth says that JSON is nested too deeply.
var errDepth = fmt.Errorf("nested more than %d deep", maxDepth)
