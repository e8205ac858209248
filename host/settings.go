package host

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/origin"
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

// validate checks config against the schemas. The error has a line for each problem: Backstage's words, and the
// layer that the value is in.
func (h *Host) validate(config *appconfig.Config) error {
	var errs []error
	err := h.schema.Validate(config)
	if invalid, ok := errors.AsType[*schema.ValidationError](err); ok {
		for i, message := range invalid.Messages {
			if layer := config.LayerOf(invalid.Keys[i]); layer != "" {
				message += " in '" + layer + "'"
			}
			errs = append(errs, errors.New("Config validation failed, "+message))
		}
	} else if err != nil {
		return err
	}
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
