package plugin

import (
	"context"
	"slices"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
)

// Extension runs beside the plugins of a host, and may add config values that only the running process knows. Its
// hooks run when the host stops, after those of all plugins.
type Extension struct {
	// Name names the extension in errors and in the service field of its log lines ("sandbox").
	Name string

	// Schema is the JSON schema of the config keys that the extension adds, or nil.
	Schema []byte

	// Key is the boolean config key that turns the extension on ("understudy.sandbox.enabled"). It is read only at the
	// start.
	Key string

	// Check returns all problems that Open would have with the configuration.
	Check func(config *appconfig.Config) error

	// Open starts the extension, before any plugin is made. Environment holds the whole configuration, and
	// backend.baseUrl as BaseURL. Open returns values that take precedence over all layers, and a function to call
	// when the host serves. Both may be nil.
	Open func(ctx context.Context, env Environment) (layers []map[string]any, ready func(), err error)
}

// Source returns the schema for the schema package.
func (x Extension) Source() schema.Source {
	value := x.Schema
	if value == nil {
		value = []byte("{}")
	}
	return schema.Source{PackageName: x.Name, Path: x.Name + "/schema.json", Value: value}
}

// Changed returns the changed keys that the extension reads, at the start only.
func (x Extension) Changed(before, after *appconfig.Config) []string {
	own, err := schema.Compile(x.Source())
	if err != nil { // not in an open host
		return nil
	}
	keys := own.Changed(before, after)
	if slices.Contains(appconfig.Changed(before, after), x.Key) && !slices.Contains(keys, x.Key) {
		keys = append(keys, x.Key)
	}
	return keys
}

// Enabled reports whether the configuration turns the extension on.
func (x Extension) Enabled(config *appconfig.Config) (bool, error) {
	enabled, _, err := config.GetOptionalBoolean(x.Key)
	return enabled, err
}
