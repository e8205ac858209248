package appconfig_test

import (
	"encoding/json"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// processOptions are options of Backstage's schema.process().
type processOptions struct {
	Visibility         []string
	WithDeprecatedKeys bool
	IgnoreSchemaErrors bool
}

// defaultProcess is for cases that do not name their options.
var defaultProcess = []processOptions{
	{},
	{Visibility: []string{"frontend"}},
	{Visibility: []string{"secret"}},
	{Visibility: []string{"frontend", "backend"}},
	{Visibility: []string{"frontend", "backend", "secret"}, WithDeprecatedKeys: true},
}

// runSchema compiles the schemas of a case and processes its configuration with them.
func runSchema(t *testing.T, c conformanceCase, config *appconfig.Config) any {
	t.Helper()
	var sources []schema.Source
	for _, v := range decodeOrdered(t, c.Schema).([]any) {
		entry := v.(*value.Object)
		name, _ := entry.Get("packageName")
		path, _ := entry.Get("path")
		text, _ := entry.Get("value")
		sources = append(sources, schema.Source{
			PackageName: name.(string), Path: path.(string), Value: value.FormatJSON(text),
		})
	}
	var options struct{ NoUndeclaredProperties bool }
	unmarshal(t, c.SchemaOptions, &options)
	process := defaultProcess
	if c.Process != nil {
		process = nil
		unmarshal(t, c.Process, &process)
	}
	compile := schema.Compile
	if options.NoUndeclaredProperties {
		compile = schema.CompileStrict
	}
	compiled, err := compile(sources...)
	if err != nil {
		return object("error", err.Error())
	}
	processed := []any{}
	for _, o := range process {
		layers, err := compiled.Process(config, schema.Options{
			Visibility: o.Visibility, WithDeprecatedKeys: o.WithDeprecatedKeys, IgnoreErrors: o.IgnoreSchemaErrors,
		})
		if err != nil {
			processed = append(processed, object("error", err.Error()))
			continue
		}
		configs := []any{}
		for _, layer := range layers {
			entry := object("context", layer.Name)
			entry.Set("data", encode(layer.Data))
			if o.WithDeprecatedKeys && o.Visibility != nil {
				entry.Set("deprecatedKeys", list(layer.DeprecatedKeys, func(d schema.DeprecatedKey) any {
					key := object("key", d.Key)
					key.Set("description", d.Description)
					return key
				}))
			}
			configs = append(configs, entry)
		}
		processed = append(processed, object("configs", configs))
	}
	return object("processed", processed)
}

// withoutKey returns a copy of a value in which no object has the key.
func withoutKey(v any, key string) any {
	switch v := v.(type) {
	case []any:
		return list(v, func(item any) any { return withoutKey(item, key) })
	case *value.Object:
		o := &value.Object{}
		for name, item := range v.All() {
			if name != key {
				o.Set(name, withoutKey(item, key))
			}
		}
		return o
	}
	return v
}

func object(key string, v any) *value.Object {
	o := &value.Object{}
	o.Set(key, v)
	return o
}

func list[T any](items []T, convert func(T) any) []any {
	out := []any{}
	for _, item := range items {
		out = append(out, convert(item))
	}
	return out
}

func unmarshal(t *testing.T, text json.RawMessage, into any) {
	t.Helper()
	if text == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
