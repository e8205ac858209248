package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/origin"
)

// loadError says in plain words what Backstage says of files without a value.
func loadError(err error) error {
	if missing := (*appconfig.MissingError)(nil); errors.As(err, &missing) {
		return errors.New("the config files are empty, expected app.baseUrl, backend.baseUrl and what the plugins need")
	}
	return err
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
		err = errors.New("it has more than a host and a path") // which may be a password
	}
	if err != nil {
		return "", fmt.Errorf("config key '%s' in '%s': %w, %s", key, config.LayerOf(key), err, expected)
	}
	return strings.TrimRight(value, "/"), nil
}

// validate checks config against the schemas of the host and its plugins. The error has a line for each problem:
// Backstage's words, and the layer that the value is in.
func (h *Host) validate(config *appconfig.Config) error {
	err := h.schema.Validate(config)
	var invalid *schema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	var errs []error
	for i, message := range invalid.Messages {
		if layer := config.LayerOf(invalid.Keys[i]); layer != "" {
			message += " in '" + layer + "'"
		}
		errs = append(errs, errors.New("Config validation failed, "+message))
	}
	return errors.Join(errs...)
}

// complete puts into the overlay what the configuration cannot know: the port taken when backend.baseUrl
// names port 0, and the sandbox's addresses and client, when it is enabled.
func (h *Host) complete(ctx context.Context, config *appconfig.Config, address net.Addr, root *zap.Logger) error {
	base, ok, err := config.GetOptionalString("backend.baseUrl")
	if err != nil {
		return err
	}
	if u, err := url.Parse(base); ok && err == nil && u.Port() == "0" {
		_, port, _ := net.SplitHostPort(address.String())
		u.Host = net.JoinHostPort(u.Hostname(), port)
		h.overlay = append(h.overlay, object{"backend": object{"baseUrl": u.String()}})
	}
	enabled, _, err := config.GetOptionalBoolean("understudy.sandbox.enabled")
	if err != nil || !enabled {
		return err
	}
	return h.openSandbox(ctx, h.overlaid(config), root)
}

// object is a part of a configuration.
type object map[string]any

// overlaid returns config with the overlay on top of its layers. It counts as a part of the topmost one, which
// errors about a missing value name.
func (h *Host) overlaid(config *appconfig.Config) *appconfig.Config {
	layers := slices.Clone(config.Layers())
	for _, part := range h.overlay {
		layers = append(layers, appconfig.Layer{Name: layers[len(layers)-1].Name, Data: value.FromMap(part)})
	}
	return appconfig.New(layers...)
}
