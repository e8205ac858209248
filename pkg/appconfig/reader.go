package appconfig

import (
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// Has reports whether there is a value under key. Null is not a value.
func (c *Config) Has(key string) (bool, error) {
	v, _, err := c.topmost(key)
	return v != nil, err
}

// Keys returns the top-level keys of c, those of the topmost layer first.
func (c *Config) Keys() []string {
	keys := c.data.Keys()
	if c.fallback != nil {
		for _, key := range c.fallback.Keys() {
			if !c.data.Has(key) {
				keys = append(keys, key)
			}
		}
	}
	return slices.DeleteFunc(keys, func(key string) bool {
		v, ok := c.data.Get(key)
		return ok && v == nil
	})
}

// Get returns the merged value under key, or all of c for the key "". Nulls within objects are left out.
func (c *Config) Get(key string) (any, error) {
	return required(c, key, c.GetOptional)
}

// GetOptional is Get for a value that may be missing.
func (c *Config) GetOptional(key string) (v any, ok bool, err error) {
	v, found, err := c.value(key)
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
	case v == nil:
		return nil, false, nil
	}
	return merge(v, below), true, nil
}

// GetConfig returns the object under key as a configuration of its own, whose errors still name full paths.
func (c *Config) GetConfig(key string) (*Config, error) { return required(c, key, c.GetOptionalConfig) }

// GetOptionalConfig is GetConfig for an object that may be missing.
func (c *Config) GetOptionalConfig(key string) (config *Config, ok bool, err error) {
	config, err = c.part(key)
	if config != nil {
		config.index, _ = c.index.find(key)
	}
	return config, config != nil, err
}

// part returns the objects of all layers under key, without an index.
func (c *Config) part(key string) (*Config, error) {
	v, found, err := c.value(key)
	if err != nil {
		return nil, err
	}
	var below *Config
	if c.fallback != nil {
		if below, err = c.fallback.part(key); err != nil || !found {
			return below, err
		}
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case *value.Object:
		return &Config{data: v, layer: c.layer, prefix: c.fullKey(key), fallback: below}, nil
	}
	return nil, &TypeError{c.fullKey(key), c.layer, typeOf(v), "object"}
}

// GetConfigArray returns the objects of the array under key. Arrays are not merged: the topmost one counts.
func (c *Config) GetConfigArray(key string) ([]*Config, error) {
	return required(c, key, c.GetOptionalConfigArray)
}

// GetOptionalConfigArray is GetConfigArray for an array that may be missing.
func (c *Config) GetOptionalConfigArray(key string) ([]*Config, bool, error) {
	v, err := c.lookup(key, "object-array", func(v any) bool { _, ok := v.(*value.Object); return ok })
	if v == nil || err != nil {
		return nil, false, err
	}
	configs := make([]*Config, len(v.([]any)))
	for i, item := range v.([]any) {
		// The prefix is that of the topmost layer, whichever holds the array, as in Backstage.
		prefix := c.fullKey(key) + "[" + strconv.Itoa(i) + "]"
		configs[i] = &Config{data: item.(*value.Object), layer: c.layer, prefix: prefix, index: newIndex(item, c.layer)}
	}
	return configs, true, nil
}

// GetNumber returns the number under key. A string is converted as JavaScript's Number does.
func (c *Config) GetNumber(key string) (float64, error) { return required(c, key, c.GetOptionalNumber) }

// GetOptionalNumber is GetNumber for a number that may be missing.
func (c *Config) GetOptionalNumber(key string) (float64, bool, error) {
	v, err := c.lookup(key, "number", nil)
	switch v := v.(type) {
	case float64:
		return v, true, nil
	case string:
		if number, ok := js.ParseNumber(v); ok {
			return number, true, nil
		}
		return 0, false, &ConvertError{c.fullKey(key), c.layer, "number"}
	}
	return 0, false, err
}

// GetBoolean returns the boolean under key. True, yes, on, y, 1 and their opposites are converted.
func (c *Config) GetBoolean(key string) (bool, error) { return required(c, key, c.GetOptionalBoolean) }

// GetOptionalBoolean is GetBoolean for a boolean that may be missing.
func (c *Config) GetOptionalBoolean(key string) (v, ok bool, err error) {
	found, err := c.lookup(key, "boolean", nil)
	var text string
	switch v := found.(type) {
	case nil:
		return false, false, err
	case bool:
		return v, true, nil
	case float64:
		text = js.FormatNumber(v)
	case string:
		text = strings.ToLower(js.Trim(v))
	}
	switch text {
	case "y", "yes", "true", "1", "on":
		return true, true, nil
	case "n", "no", "false", "0", "off":
		return false, true, nil
	}
	return false, false, &ConvertError{c.fullKey(key), c.layer, "boolean"}
}

// GetString returns the string under key. An empty string is an error.
func (c *Config) GetString(key string) (string, error) { return required(c, key, c.GetOptionalString) }

// GetOptionalString is GetString for a string that may be missing.
func (c *Config) GetOptionalString(key string) (string, bool, error) {
	v, err := c.lookup(key, "string", nil)
	text, ok := v.(string)
	return text, ok, err
}

// GetStringArray returns the array of strings under key. An empty string in it is an error.
func (c *Config) GetStringArray(key string) ([]string, error) {
	return required(c, key, c.GetOptionalStringArray)
}

// GetOptionalStringArray is GetStringArray for an array that may be missing.
func (c *Config) GetOptionalStringArray(key string) ([]string, bool, error) {
	v, err := c.lookup(key, "string-array", isString)
	if v == nil || err != nil {
		return nil, false, err
	}
	texts := make([]string, len(v.([]any)))
	for i, item := range v.([]any) {
		texts[i] = item.(string)
	}
	return texts, true, nil
}

func isString(v any) bool {
	text, ok := v.(string)
	return ok && text != ""
}

// required gets a value, and turns a missing one into a MissingError.
func required[T any](c *Config, key string, get func(key string) (T, bool, error)) (T, error) {
	v, ok, err := get(key)
	if err == nil && !ok {
		err = &MissingError{c.fullKey(key), c.layer}
	}
	return v, err
}
