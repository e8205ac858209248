// Package discovery finds the base URLs of plugins by their IDs, as HostDiscovery of @backstage/backend-defaults does:
// by discovery.endpoints, and otherwise by where this backend listens and what backend.baseUrl is.
package discovery

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/understudy-host/understudy/pkg/js"
)

// Defaults are the URLs of plugins that discovery.endpoints does not name. They have no trailing slash.
type Defaults struct {
	Internal string            // of this backend as its neighbours reach it: "http://localhost:7007"
	External string            // of this backend as browsers reach it: backend.baseUrl
	Paths    map[string]string // of the plugins that this backend serves, by ID, below /api: "/auth/coder"

	// Elsewhere is the internal URL of a backend that serves all other plugins. "" is Internal.
	Elsewhere string
}

// Discovery finds base URLs. It follows changes of the configuration. It is safe for concurrent use.
type Discovery struct{ current atomic.Pointer[table] }

type table struct {
	endpoints Endpoints
	defaults  Defaults
}

// Use puts a configuration into use.
func (d *Discovery) Use(endpoints Endpoints, defaults Defaults) {
	d.current.Store(&table{endpoints, defaults})
}

// errUnused is the error before Use.
var errUnused = errors.New("no configuration is in use yet")

// BaseURL returns the URL at which other backends reach a plugin, without a trailing slash. An SRV record is looked up.
func (d *Discovery) BaseURL(ctx context.Context, pluginID string) (string, error) {
	url, err := d.Target(pluginID)
	if err != nil {
		return "", err
	}
	return Resolve(ctx, net.DefaultResolver, url)
}

// Target is BaseURL without a lookup: it may be an SRV URL, "http+srv://…". Resolve makes a URL of it.
func (d *Discovery) Target(pluginID string) (string, error) {
	t := d.current.Load()
	if t == nil {
		return "", errUnused
	}
	if pattern := find(t.endpoints.internal, pluginID); pattern != nil {
		return strings.TrimRight(pattern.fill(pluginID), "/"), nil
	}
	if path, here := t.defaults.Paths[pluginID]; here {
		return t.defaults.Internal + "/api" + path, nil
	}
	base := t.defaults.Elsewhere
	if base == "" {
		base = t.defaults.Internal
	}
	return base + "/api/" + js.EncodeURIComponent(pluginID), nil
}

// ExternalBaseURL returns the URL at which browsers reach a plugin, without a trailing slash.
func (d *Discovery) ExternalBaseURL(pluginID string) (string, error) {
	t := d.current.Load()
	if t == nil {
		return "", errUnused
	}
	if pattern := find(t.endpoints.external, pluginID); pattern != nil {
		return strings.TrimRight(pattern.fill(pluginID), "/"), nil
	}
	if path, here := t.defaults.Paths[pluginID]; here {
		return t.defaults.External + "/api" + path, nil
	}
	return t.defaults.External + "/api/" + js.EncodeURIComponent(pluginID), nil
}

// find returns the pattern for the plugin, or that for "*".
func find(patterns map[string]pattern, pluginID string) pattern {
	if p, ok := patterns[pluginID]; ok {
		return p
	}
	return patterns["*"]
}

// Local returns the internal URL of a backend that listens on host and port, as Backstage makes it: a neighbour
// reaches every address at localhost.
func Local(tls bool, host string, port int) string {
	scheme := "http"
	if tls {
		scheme = "https"
	}
	switch host {
	case "", "::":
		host = "localhost"
	case "0.0.0.0":
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}
