// Package plugin is the contract between the host and a backend plugin: what a plugin declares about itself
// and what it is given in return. It is the counterpart of the legacy Backstage backend's
// `createRouter(env: PluginEnvironment)`.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/discovery"
	"github.com/understudy-host/understudy/pkg/memo"
)

// Plugin is one backend plugin. The host registers its router below /api.
type Plugin struct {
	// ID names the plugin ("coder"): lower-case letters, digits and dashes. It is the plugin field of the
	// plugin's log lines and must be unique in a host.
	ID string

	// Path is where the router is mounted, below /api: segments of lower-case letters, digits and dashes,
	// without a trailing slash ("/auth/coder"). No plugin may be mounted below another.
	Path string

	// Schema is the JSON schema (draft 7) of the config that the plugin reads, with Backstage's visibility
	// keywords. The plugin sees only what it declares. A plugin without a schema sees no config.
	Schema []byte

	// Advise, if it is not nil, returns what config:check warns of in a configuration that works here, one line each. It
	// names keys and no values.
	Advise func(*appconfig.Config) []string

	// Examine, if it is not nil, looks at the servers and the settings that the plugin needs, for the command doctor, and
	// reports what it finds as it goes. It sends a secret to nobody but to whom the plugin itself sends it, and leaves
	// nothing behind.
	Examine func(ctx context.Context, env Environment, report func(Finding))

	// Public, if it is not nil, reports whether all paths are open to everybody with a configuration, so that the command
	// doctor need not look for the keys that callers' tokens are checked with. Environment.Auth opens them.
	Public func(config *appconfig.Config) bool

	// Replaces names the npm packages that the plugin stands in for, and Starter returns YAML, indented as a top level, with
	// the keys that it needs and that a configuration lacks. The command init uses both. They may be missing.
	Replaces []string
	Starter  func(config *appconfig.Config) string

	// New builds the plugin's router. The handler gets requests whose URL path is relative to the mount:
	// "/health" for /api/auth/coder/health, "/" for the mount itself; RequestURI holds the whole path.
	//
	// The host calls New at the start and again whenever the plugin's part of the configuration has changed.
	// Each call makes a generation: the new handler takes new requests, the old one finishes its own. ctx ends
	// when the last of them is done, or when the host stops; the handler must leave nothing running after that.
	// State that outlives a generation is kept in Environment.Memo. If it cannot be kept as data, it belongs to the
	// function that returns the Plugin.
	//
	// For missing or wrong values New returns an error: all problems at once, with errors.Join.
	New func(ctx context.Context, env Environment) (http.Handler, error)
}

// Environment is what the host gives to a plugin, or to an Extension. The logger is made once for each plugin.
type Environment struct {
	// Logger is the plugin's child of the root logger, with the fields type=plugin and plugin=<id>.
	// Values of config keys with visibility secret are redacted from what it writes.
	Logger *zap.Logger

	// Config holds what the plugin's schema declares, and nothing else. It is a snapshot: a change makes
	// another generation. Values have the types of the file, so that a number stays a number where the schema
	// wants a string. The getters name key and layer in their errors; Config.Koanf gives an instance of koanf, to
	// unmarshal the configuration into a struct.
	Config *appconfig.Config

	// BaseURL is where browsers reach the plugin, without a trailing slash:
	// "https://backstage.example.com/api/auth/coder". It comes from backend.baseUrl and never from a request.
	BaseURL string

	// Auth holds the plugin's auth policies: what Auth.Allow does not open needs credentials. It is the counterpart of
	// Backstage's httpRouter.addAuthPolicy and httpAuth. backstageauth.Caller says who sent a request. It is nil for an
	// Extension.
	Auth *backstageauth.Barrier

	// Discovery finds the URLs of plugins by their IDs, also of those in other backends. It is nil for an Extension.
	Discovery *discovery.Discovery

	// Production reports whether NODE_ENV is production.
	Production bool

	// Lifecycle takes the hooks to call when this generation ends.
	Lifecycle *Lifecycle

	// Memo keeps named values of the plugin from one generation to the next, and over a reload of the code in
	// development. It is the counterpart of Backstage's useHotMemoize.
	Memo *memo.Store

	// Listen listens on a TCP address of the plugin's own, as net.Listen does. name is unique in a backend ("metrics").
	// The supervisor of the process may hold the socket of that name: systemd, or the parent in development, which keeps
	// it open over a reload of the code. The caller closes the listener.
	Listen Listen
}

// Listen is the type of Environment.Listen.
type Listen func(ctx context.Context, name, address string) (net.Listener, error)

var (
	validID   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	validPath = regexp.MustCompile(`^(/[a-z0-9-]+)+$`)
)

// Check reports everything that is wrong with what the plugin declares, a line for each problem. The host
// calls it when it opens.
func (p Plugin) Check() error {
	var errs []error
	if !validID.MatchString(p.ID) {
		errs = append(errs, fmt.Errorf("the ID is %q, expected lower-case letters, digits and dashes, such as todo-list", p.ID))
	}
	if !validPath.MatchString(p.Path) {
		errs = append(errs, fmt.Errorf("the Path is %q, expected one below /api without a trailing slash, such as /todo-list", p.Path))
	}
	if p.New == nil {
		errs = append(errs, errors.New("New is missing"))
	}
	if _, err := schema.Compile(p.Source()); err != nil {
		errs = append(errs, err)
	}
	return p.Named(errors.Join(errs...))
}

// Source returns the schema for the schema package.
func (p Plugin) Source() schema.Source {
	value := p.Schema
	if value == nil {
		value = []byte("{}")
	}
	return schema.Source{PackageName: p.ID, Path: "plugin/" + p.ID + "/schema.json", Value: value}
}
