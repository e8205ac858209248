package appconfig

import (
	"errors"
	"fmt"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

const envPrefix = "APP_CONFIG_"

// environ is the environment of a load: variables by name, and their names in order.
type environ struct {
	values map[string]string
	names  []string
	lax    bool // variables that are not set or empty are "x" for ${…} and $env
}

func newEnviron(pairs []string) *environ {
	e := &environ{values: make(map[string]string, len(pairs))}
	for _, pair := range pairs {
		name, v, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			continue
		}
		if _, ok := e.values[name]; !ok {
			e.names = append(e.names, name)
		}
		e.values[name] = js.DecodeUTF8([]byte(v))
	}
	return e
}

// lookup returns the value of a variable. It is trimmed, except with lax, as in backstage-cli.
func (e *environ) lookup(name string) (string, bool) {
	v, ok := e.values[name]
	switch {
	case !e.lax:
		return js.Trim(v), ok
	case v == "":
		return "x", true
	}
	return v, true
}

// config returns the values of the APP_CONFIG_ variables, or nil if there are none. The parts of a key are separated
// by "_". A value that is JSON is parsed; any other is a string.
func (e *environ) config() (*value.Object, error) {
	var data *value.Object
	for _, name := range e.names {
		key, ok := strings.CutPrefix(name, envPrefix)
		v := e.values[name]
		if !ok || v == "" {
			continue
		}
		if data == nil {
			data = &value.Object{}
		}
		if err := setVariable(data, key, v, &value.Source{Variables: []string{name}}); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func setVariable(object *value.Object, key, text string, from *value.Source) error {
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
			under = &value.Object{}
			object.SetAt(part, under, value.Position{Source: from})
		}
		inner, ok := under.(*value.Object)
		if !ok {
			return textError(fmt.Sprintf("Could not nest config for key '%s' under existing value '%s'",
				key, strings.Join(parts[:i+1], "_")))
		}
		object = inner
	}
	parsed, pos, err := value.ReadJSON(text, from)
	switch {
	case errors.Is(err, value.ErrDepth):
		return fmt.Errorf("config value for key '%s' is %w", key, err)
	case err != nil:
		parsed, pos = text, value.Position{Source: from}
	case parsed == nil:
		return textError(fmt.Sprintf("Failed to parse JSON-serialized config value for key '%s', "+
			"Error: value may not be null", key))
	}
	object.SetAt(parts[len(parts)-1], parsed, pos)
	return nil
}
