package appconfig_test

import (
	"encoding/json"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
)

// runSchema compiles the schemas of a case and processes its configuration with them.
func runSchema(t *testing.T, c conformanceCase, config *appconfig.Config) any {
	t.Helper()
	outcome := &appconfig.Object{}
	fail := func(err error) any {
		outcome.Set("error", err.Error())
		return outcome
	}
	var sources []schema.Source
	for _, entry := range decodeOrdered(t, c.Schema).([]any) {
		object := entry.(*appconfig.Object)
		path, _ := object.Get("path")
		name, _ := object.Get("packageName")
		value, _ := object.Get("value")
		sources = append(sources, schema.Source{
			Path: path.(string), PackageName: name.(string), Value: appconfig.FormatJSON(value),
		})
	}
	var options struct{ NoUndeclaredProperties bool }
	decode(t, c.SchemaOptions, &options)
	compile := schema.Compile
	if options.NoUndeclaredProperties {
		compile = schema.CompileStrict
	}
	compiled, err := compile(sources...)
	if err != nil {
		return fail(err)
	}
	process := []schema.Options{
		{},
		{Visibility: []string{"frontend"}},
		{Visibility: []string{"secret"}},
		{Visibility: []string{"frontend", "backend"}},
		{Visibility: []string{"frontend", "backend", "secret"}, WithFilteredKeys: true, WithDeprecatedKeys: true},
	}
	if c.Process != nil {
		process = nil
		decode(t, c.Process, &process)
	}
	processed := []any{}
	for _, o := range process {
		processed = append(processed, runProcess(compiled, config, o))
	}
	outcome.Set("processed", processed)
	return outcome
}

func runProcess(compiled *schema.Schema, config *appconfig.Config, o schema.Options) any {
	outcome := &appconfig.Object{}
	layers, err := compiled.Process(config, o)
	if err != nil {
		outcome.Set("error", err.Error())
		return outcome
	}
	configs := []any{}
	for _, layer := range layers {
		entry := &appconfig.Object{}
		entry.Set("context", layer.Name)
		entry.Set("data", encode(layer.Data))
		if layer.FilteredKeys != nil {
			keys := []any{}
			for _, key := range layer.FilteredKeys {
				keys = append(keys, key)
			}
			entry.Set("filteredKeys", keys)
		}
		if layer.DeprecatedKeys != nil {
			keys := []any{}
			for _, d := range layer.DeprecatedKeys {
				key := &appconfig.Object{}
				key.Set("key", d.Key)
				key.Set("description", d.Description)
				keys = append(keys, key)
			}
			entry.Set("deprecatedKeys", keys)
		}
		configs = append(configs, entry)
	}
	outcome.Set("configs", configs)
	return outcome
}

// decode reads a part of a case, if there is one.
func decode(t *testing.T, text json.RawMessage, into any) {
	t.Helper()
	if text == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
