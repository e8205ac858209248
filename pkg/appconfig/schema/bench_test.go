package schema_test

import (
	"fmt"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// large returns a schema of n keys in groups of twenty, and a configuration that sets them all.
func large(t testing.TB, n int) (*schema.Schema, *appconfig.Config) {
	properties, config := &value.Object{}, &value.Object{}
	for i := range n / 20 {
		inner, values := &value.Object{}, &value.Object{}
		for j := range 20 {
			property := &value.Object{}
			property.Set("type", []any{"string", "number", "boolean"}[j%3])
			property.Set("visibility", []any{"frontend", "backend", "secret"}[j%3])
			inner.Set(fmt.Sprint("key", j), property)
			values.Set(fmt.Sprint("key", j), []any{"text", "12", true}[j%3])
		}
		group := &value.Object{}
		group.Set("type", "object")
		group.Set("properties", inner)
		properties.Set(fmt.Sprint("group", i), group)
		config.Set(fmt.Sprint("group", i), values)
	}
	root := &value.Object{}
	root.Set("type", "object")
	root.Set("properties", properties)
	return compile(t, string(value.FormatJSON(root))), appconfig.New(appconfig.Layer{Name: "large", Data: config})
}

func BenchmarkValidate400(b *testing.B) {
	compiled, config := large(b, 400)
	b.ReportAllocs()
	for b.Loop() {
		if err := compiled.Validate(config); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile400(b *testing.B) {
	compiled, _ := large(b, 400)
	merged, err := compiled.Merge()
	if err != nil {
		b.Fatal(err)
	}
	text := string(value.FormatJSON(merged))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Compile(sources(text)...); err != nil {
			b.Fatal(err)
		}
	}
}
