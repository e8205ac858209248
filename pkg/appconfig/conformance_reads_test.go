package appconfig_test

import (
	"fmt"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// perform makes the calls of a case and describes their results.
func perform(config *appconfig.Config, reads []read) []any {
	outcomes := []any{}
	for _, r := range reads {
		outcomes = append(outcomes, performOne(config, r))
	}
	return outcomes
}

func performOne(config *appconfig.Config, r read) any {
	value, ok, err := call(config, r.Call, r.key())
	return outcome(value, ok, err, r)
}

func (r read) key() string {
	if r.Key == nil {
		return ""
	}
	return *r.Key
}

func outcome(v any, ok bool, err error, r read) any {
	outcome := &value.Object{}
	if err != nil {
		outcome.Set("error", err.Error())
		return outcome
	}
	if !ok {
		outcome.Set("absent", true)
		return outcome
	}
	switch v := v.(type) {
	default:
		outcome.Set("value", encode(v))
	case *appconfig.Config:
		outcome.Set("then", perform(v, r.Then))
	case []*appconfig.Config:
		items := []any{}
		for _, item := range v {
			items = append(items, perform(item, r.Then))
		}
		outcome.Set("items", items)
	case []string:
		texts := []any{}
		for _, text := range v {
			texts = append(texts, text)
		}
		outcome.Set("value", texts)
	}
	return outcome
}

func call(c *appconfig.Config, name, key string) (value any, ok bool, err error) {
	switch name {
	case "has":
		value, err = c.Has(key)
	case "keys":
		value = c.Keys()
	case "get":
		value, err = c.Get(key)
	case "getOptional":
		return c.GetOptional(key)
	case "getConfig":
		value, err = c.GetConfig(key)
	case "getOptionalConfig":
		return c.GetOptionalConfig(key)
	case "getConfigArray":
		value, err = c.GetConfigArray(key)
	case "getOptionalConfigArray":
		return c.GetOptionalConfigArray(key)
	case "getNumber":
		value, err = c.GetNumber(key)
	case "getOptionalNumber":
		return c.GetOptionalNumber(key)
	case "getBoolean":
		value, err = c.GetBoolean(key)
	case "getOptionalBoolean":
		return c.GetOptionalBoolean(key)
	case "getString":
		value, err = c.GetString(key)
	case "getOptionalString":
		return c.GetOptionalString(key)
	case "getStringArray":
		value, err = c.GetStringArray(key)
	case "getOptionalStringArray":
		return c.GetOptionalStringArray(key)
	default:
		err = fmt.Errorf("no such call: %s", name)
	}
	return value, true, err
}
