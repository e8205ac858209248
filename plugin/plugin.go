// Package plugin is the contract between the host and a backend plugin: what a plugin declares about itself
// and what it is given in return. It is the counterpart of the legacy Backstage backend's
// `createRouter(env: PluginEnvironment)`.
package plugin

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// Plugin is one backend plugin. The host registers its router below /api.
type Plugin struct {
	// ID names the plugin ("coder"): it is the plugin field of its log lines and must be unique in a host.
	ID string

	// Path is where the router is mounted, below /api and without a trailing slash ("/auth/coder").
	Path string

	// Schema is the JSON schema of the config that the plugin reads, with Backstage's visibility keywords.
	// The plugin sees only what it declares.
	Schema []byte

	// New builds the plugin's router. The handler gets requests whose URL path is relative to the mount:
	// "/health" for /api/auth/coder/health, "/" for the mount itself; RequestURI holds the whole.
	// The host calls New at start and again whenever the plugin's part of the configuration has changed;
	// ctx ends when the handler it returned is no longer used. A missing or wrong value is reported as an
	// error, several of them joined with errors.Join.
	New func(ctx context.Context, env Environment) (http.Handler, error)
}

// Environment is what the host gives to a plugin. It is made once for each plugin and kept across reloads;
// only Config differs from one call of New to the next.
type Environment struct {
	// Logger is the plugin's child of the root logger, with the fields type=plugin and plugin=<id>.
	// Values of config keys with visibility secret are redacted from what it writes.
	Logger *zap.Logger

	// Config holds what the plugin's schema declares, and nothing else. Its getters name key and layer in their
	// errors; Config.Koanf gives an instance of koanf, to unmarshal it into a struct.
	Config *appconfig.Config

	// Discovery tells the base URLs of plugins.
	Discovery Discovery

	// Lifecycle takes what is to be done when the host stops.
	Lifecycle *Lifecycle
}
