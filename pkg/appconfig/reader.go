package appconfig

import (
	"slices"
	"strconv"
	"strings"
)

// Has tells whether there is a value under key; null is none.
func (c *Config) Has(key string) (bool, error) {
	value, _, err := c.topmost(key)
	return value != nil, err
}

// Keys returns the names at the top of c, those of the topmost layer first.
func (c *Config) Keys() []string {
	keys := c.data.Keys()
	if c.fallback != nil {
		for _, key := range c.fallback.Keys() {
			if c.data.find(key) < 0 {
				keys = append(keys, key)
			}
		}
	}
	return slices.DeleteFunc(keys, func(key string) bool {
		value, ok := c.data.Get(key)
		return ok && value == nil
	})
}

// Get returns the merged value under key, or all of c for the key "". Nulls within objects are left out.
func (c *Config) Get(key string) (any, error) {
	return required(c, key, c.GetOptional)
}

// GetOptional is Get for a value that may be missing.
func (c *Config) GetOptional(key string) (value any, ok bool, err error) {
	value, found, err := c.value(key)
	if err != nil {
		return nil, false, err
	}
	var below any
	hasBelow := false
	if c.fallback != nil {
		if below, hasBelow, err = c.fallback.GetOptional(key); err != nil {
			return nil, false, err
		}
	}
	switch {
	case !found:
		return below, hasBelow, nil // merged already
	case value == nil:
		return nil, false, nil
	}
	return merge(value, below), true, nil
}

// GetConfig returns the object under key as a configuration of its own, whose errors still name full paths.
func (c *Config) GetConfig(key string) (*Config, error) {
	return required(c, key, c.GetOptionalConfig)
}

// GetOptionalConfig is GetConfig for an object that may be missing.
func (c *Config) GetOptionalConfig(key string) (config *Config, ok bool, err error) {
	config, err = c.part(key)
	if config != nil && config.fallback != nil {
		config.index, _ = c.index.find(key)
	}
	return config, config != nil, err
}

// part returns the objects of all layers under key, without an index.
func (c *Config) part(key string) (*Config, error) {
	value, found, err := c.value(key)
	if err != nil {
		return nil, err
	}
	var below *Config
	if c.fallback != nil {
		if below, err = c.fallback.part(key); err != nil || !found {
			return below, err
		}
	}
	switch v := value.(type) {
	case nil:
		return nil, nil
	case *Object:
		return &Config{data: v, layer: c.layer, prefix: c.fullKey(key), fallback: below}, nil
	}
	return nil, &TypeError{c.fullKey(key), c.layer, typeOf(value), "object"}
}

// GetConfigArray returns the objects of the array under key. Arrays are not merged: the topmost counts.
func (c *Config) GetConfigArray(key string) ([]*Config, error) {
	return required(c, key, c.GetOptionalConfigArray)
}

// GetOptionalConfigArray is GetConfigArray for an array that may be missing.
func (c *Config) GetOptionalConfigArray(key string) ([]*Config, bool, error) {
	value, err := c.lookup(key, "object-array", func(value any) bool { _, ok := value.(*Object); return ok })
	if value == nil || err != nil {
		return nil, false, err
	}
	configs := make([]*Config, len(value.([]any)))
	for i, item := range value.([]any) {
		// The prefix is that of the topmost layer, whichever holds the array, as in Backstage.
		configs[i] = &Config{data: item.(*Object), layer: c.layer, prefix: c.fullKey(key) + "[" + strconv.Itoa(i) + "]"}
	}
	return configs, true, nil
}

// GetNumber returns the number under key; a text that JavaScript's Number takes for one is converted.
func (c *Config) GetNumber(key string) (float64, error) {
	return required(c, key, c.GetOptionalNumber)
}

// GetOptionalNumber is GetNumber for a number that may be missing.
func (c *Config) GetOptionalNumber(key string) (float64, bool, error) {
	value, err := c.lookup(key, "number", nil)
	switch v := value.(type) {
	case float64:
		return v, true, nil
	case string:
		if number, ok := parseNumber(v); ok {
			return number, true, nil
		}
		return 0, false, &ConvertError{c.fullKey(key), c.layer, "number"}
	}
	return 0, false, err
}

// GetBoolean returns the boolean under key; true, yes, on, y, 1 and their opposites are converted.
func (c *Config) GetBoolean(key string) (bool, error) {
	return required(c, key, c.GetOptionalBoolean)
}

// GetOptionalBoolean is GetBoolean for a boolean that may be missing.
func (c *Config) GetOptionalBoolean(key string) (value, ok bool, err error) {
	found, err := c.lookup(key, "boolean", nil)
	var text string
	switch v := found.(type) {
	case nil:
		return false, false, err
	case bool:
		return v, true, nil
	case float64:
		text = formatNumber(v)
	case string:
		text = lowerASCII(trim(v))
	}
	switch text {
	case "y", "yes", "true", "1", "on":
		return true, true, nil
	case "n", "no", "false", "0", "off":
		return false, true, nil
	}
	return false, false, &ConvertError{c.fullKey(key), c.layer, "boolean"}
}

// GetString returns the text under key, which is not empty.
func (c *Config) GetString(key string) (string, error) {
	return required(c, key, c.GetOptionalString)
}

// GetOptionalString is GetString for a text that may be missing.
func (c *Config) GetOptionalString(key string) (string, bool, error) {
	value, err := c.lookup(key, "string", nil)
	text, ok := value.(string)
	return text, ok, err
}

// GetStringArray returns the array of texts under key, none of which is empty.
func (c *Config) GetStringArray(key string) ([]string, error) {
	return required(c, key, c.GetOptionalStringArray)
}

// GetOptionalStringArray is GetStringArray for an array that may be missing.
func (c *Config) GetOptionalStringArray(key string) ([]string, bool, error) {
	value, err := c.lookup(key, "string-array", isText)
	if value == nil || err != nil {
		return nil, false, err
	}
	texts := make([]string, len(value.([]any)))
	for i, item := range value.([]any) {
		texts[i] = item.(string)
	}
	return texts, true, nil
}

func isText(value any) bool {
	text, ok := value.(string)
	return ok && text != ""
}

// required gets a value, and turns a missing one into a MissingError.
func required[T any](c *Config, key string, get func(key string) (T, bool, error)) (T, error) {
	value, ok, err := get(key)
	if err == nil && !ok {
		err = &MissingError{c.fullKey(key), c.layer}
	}
	return value, err
}

// lookup returns the value under key of the topmost layer that has one, nil where none has or it is null. It reports
// a value that does not fit wanted; item tells which items an array must have.
func (c *Config) lookup(key, wanted string, item func(any) bool) (any, error) {
	value, layer, err := c.topmost(key)
	if value == nil || err != nil {
		return nil, err
	}
	if bad, i := misfit(value, wanted, item); bad {
		full := c.fullKey(key)
		if i >= 0 {
			full += "[" + strconv.Itoa(i) + "]"
			value = value.([]any)[i]
		}
		return nil, &TypeError{full, layer, typeOf(value), wanted}
	}
	return value, nil
}

// topmost returns the value under key of the topmost layer that has one, and that layer's name.
func (c *Config) topmost(key string) (value any, layer string, err error) {
	if c.index == nil { // there is one layer at most
		value, _, err = c.value(key)
		return value, c.layer, err
	}
	if !validKey(key) {
		return nil, "", &InvalidKeyError{key}
	}
	found, rest := c.index.find(key)
	switch {
	case found == nil || rest != "" && found.value == nil:
		return nil, "", nil
	case rest != "":
		return nil, "", c.notObject(key, rest, found.layer, found.value)
	}
	return found.value, found.layer, nil
}

// notObject reports a value on the way to a key, of which rest is left.
func (c *Config) notObject(key, rest, layer string, value any) error {
	at := strings.TrimSuffix(key[:len(key)-len(rest)], ".")
	return &TypeError{c.fullKey(at), layer, typeOf(value), "object"}
}

// misfit tells whether value is of another type than wanted, and which item of an array it is, or -1.
func misfit(value any, wanted string, item func(any) bool) (bad bool, index int) {
	switch v := value.(type) {
	case []any:
		if item == nil {
			return true, -1
		}
		index = slices.IndexFunc(v, func(v any) bool { return !item(v) })
		return index >= 0, index
	case string:
		return item != nil || wanted == "string" && v == "", -1
	case float64:
		return wanted != "number" && wanted != "boolean", -1
	case bool:
		return wanted != "boolean", -1
	}
	return true, -1
}

func (c *Config) fullKey(key string) string {
	if c.prefix == "" {
		return key
	}
	return c.prefix + "." + key
}

// value returns what this layer alone has under key, and whether it has anything there: a null anywhere on
// the way counts as a null there.
func (c *Config) value(key string) (value any, found bool, err error) {
	if !validKey(key) {
		return nil, false, &InvalidKeyError{key}
	}
	if c.data == nil {
		return nil, false, nil
	}
	value = c.data
	for rest := key; rest != ""; {
		part, tail, _ := strings.Cut(rest, ".")
		object, ok := value.(*Object)
		switch {
		case ok:
			i := object.find(part)
			if i < 0 {
				return nil, false, nil
			}
			value = object.entries[i].value
		case value == nil:
			return nil, true, nil
		default:
			return nil, false, c.notObject(key, rest, c.layer, value)
		}
		rest = tail
	}
	return value, true, nil
}

// merge returns value with what it lacks taken from below, which merge made, and without the nulls within objects.
// What needs no change is shared.
func merge(value, below any) any {
	object, ok := value.(*Object)
	if !ok {
		return value
	}
	from, _ := below.(*Object)
	if from.Len() == 0 && !hasNull(object) {
		return value
	}
	out := &Object{entries: make([]entry, 0, object.Len()+from.Len())}
	for _, e := range object.entries {
		if e.value != nil {
			under, _ := from.Get(e.key)
			out.set(e.key, merge(e.value, under), e.pos)
		}
	}
	if from != nil {
		for _, e := range from.entries {
			if object.find(e.key) < 0 {
				out.set(e.key, e.value, e.pos)
			}
		}
	}
	return out
}

// hasNull tells whether an object, or one in it, has a null. Those in arrays do not count.
func hasNull(object *Object) bool {
	for i := range object.entries {
		switch v := object.entries[i].value.(type) {
		case nil:
			return true
		case *Object:
			if hasNull(v) {
				return true
			}
		}
	}
	return false
}
