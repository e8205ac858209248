package host

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/appschema"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/origin"
	"github.com/understudy-host/understudy/plugin"
)

// hostSchema declares what the host itself reads.
//
//go:embed schema.json
var hostSchema []byte

// ownKey is the one section of the configuration that has no counterpart in Backstage. A key there that nobody
// declares is a mistake.
const ownKey = "understudy"

// Schemas returns the host's own config schema and those of its plugins and extensions, for commands that work on
// the configuration alone.
func (o Options) Schemas() []schema.Source {
	sources := []schema.Source{{PackageName: "host", Path: "host/schema.json", Value: hostSchema}}
	for _, p := range o.Plugins {
		sources = append(sources, p.Source())
	}
	for _, x := range o.Extensions {
		sources = append(sources, x.Source())
	}
	return sources
}

// required returns the schema that config has to match: that of all, without those of the plugins that refuse it and do
// not have to run.
func (h *Host) required(config *appconfig.Config) (*schema.Schema, error) {
	policy, _ := plugin.ReadBootPolicy(config) // the schema reports what is wrong with it
	o := h.options
	o.Plugins = nil
	for _, m := range h.mounts {
		if m.refuses(config, policy) == nil {
			o.Plugins = append(o.Plugins, m.plugin)
		}
	}
	if len(o.Plugins) == len(h.mounts) {
		return h.schema, nil
	}
	return schema.Compile(o.Schemas()...)
}

// validate checks config against the schemas. The error has a line for each problem.
func (h *Host) validate(config *appconfig.Config) error {
	all, err := h.required(config)
	if err != nil {
		return err
	}
	errs := []error{all.Check(config)}
	given, _, err := config.GetOptionalConfig(ownKey)
	if err != nil || given == nil {
		return errors.Join(errs...) // the schema reports another type
	}
	known, _, _ := h.schema.Scope(config).GetOptionalConfig(ownKey)
	for _, name := range given.Keys() {
		key := ownKey + "." + name
		if has, _ := known.Has(name); !has {
			errs = append(errs, fmt.Errorf("config key '%s' in '%s' is not one that this program knows", key, config.LayerOf(key)))
		}
	}
	return errors.Join(errs...)
}

// whole is what is known of a configuration of the whole app.
type whole struct {
	config *appconfig.Config
	app    *appschema.App
	err    error
}

// app returns what is known of a configuration of the whole app. It keeps the last answer.
func (h *Host) app(config *appconfig.Config) (*appschema.App, error) {
	if h.whole.config != config {
		app, err := h.loadApp(config)
		h.whole = whole{config, app, err}
	}
	return h.whole.app, h.whole.err
}

func (h *Host) loadApp(config *appconfig.Config) (*appschema.App, error) {
	root := h.options.Config.RootDir
	if root == "" {
		var err error
		if root, err = appconfig.RootDir(context.Background()); err != nil {
			return nil, err
		}
	}
	return appschema.Load(h.options.Schemas(), nil, config, root)
}

// unread returns the keys that are known where this program's are, and that nothing in it reads.
func (h *Host) unread(config *appconfig.Config) []string {
	app, err := h.app(config)
	if err != nil {
		h.log.Warn(err.Error())
	}
	keys, _ := app.Unread(config, "backend", "auth.providers.coder", "coder", "proxy", "discovery")
	return keys
}

// readBaseURL reads backend.baseUrl and returns it without a trailing slash.
func readBaseURL(config *appconfig.Config) (string, error) {
	const key, expected = "backend.baseUrl", "expected the URL at which browsers find this backend"
	value, err := config.GetString(key)
	if err != nil {
		return "", fmt.Errorf("%w, %s", err, expected)
	}
	_, err = origin.Of(value)
	if err == nil && strings.ContainsAny(value, "?#@") {
		err = errors.New("it has more than a host and a path") // the error does not show it: it may be a password
	}
	if err != nil {
		return "", fmt.Errorf("config key '%s' in '%s': %w, %s", key, config.LayerOf(key), err, expected)
	}
	return strings.TrimRight(value, "/"), nil
}

// loadError replaces Backstage's error about config files without a value with a clearer one.
func loadError(err error) error {
	if _, empty := errors.AsType[*appconfig.MissingError](err); empty {
		return errors.New("the config files are empty, expected app.baseUrl, backend.baseUrl and what the plugins need")
	}
	return err
}
