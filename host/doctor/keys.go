package doctor

import (
	"context"
	"errors"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/discovery"
	"github.com/understudy-host/understudy/pkg/gateway"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/plugin"
)

// keys looks at the keys that Backstage's tokens are checked with, if there is a plugin that asks for tokens. It returns
// what is wrong with the configuration.
func (d doctor) keys(ctx context.Context, o host.Options, base string) error {
	found, err1 := d.discovery(o, base)
	guarded, err2 := d.guarded(o)
	off, _, err3 := d.config.GetOptionalBoolean("backend.auth.dangerouslyDisableDefaultAuthPolicy")
	if err := errors.Join(err1, err2, err3); err != nil || off || guarded == nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n, address, err := backstageauth.New(ctx, zap.NewNop(), found).UserKeys(ctx)
	const of = "the keys of Backstage's tokens"
	const remedy = "%v: no user can call %s; set understudy.fallback.target to the backend with the auth plugin, or discovery.endpoints for auth"
	switch {
	case err != nil:
		d.say(plugin.Wrong, of, remedy, err, strings.Join(guarded, ", "))
	case n == 0: // the auth plugin makes a key when it signs the first token
		d.say(plugin.Doubt, of, "there are none at %s: nobody has signed in since the backend started, or its keys are of kinds that are not accepted", address)
	default:
		d.say(plugin.Good, of, "%d at %s", n, address)
	}
	return nil
}

// guarded returns the IDs of the plugins that ask for credentials.
func (d doctor) guarded(o host.Options) (ids []string, err error) {
	for _, p := range o.Plugins {
		own, err := schema.Compile(p.Source())
		if err != nil {
			return nil, p.Named(err)
		}
		if p.Public == nil || !p.Public(own.Scope(d.config)) {
			ids = append(ids, p.ID)
		}
	}
	return ids, nil
}

// discovery finds plugins as the host does.
func (d doctor) discovery(o host.Options, base string) (*discovery.Discovery, error) {
	server, err1 := httpserver.ReadOptions(d.config)
	endpoints, err2 := discovery.Read(d.config)
	fallback, err3 := gateway.Read(d.config, gateway.Address{BaseURL: base, Host: server.Host, Port: server.Port})
	_, err4 := backstageauth.Read(d.config)
	defaults := discovery.Defaults{
		Internal: discovery.Local(server.TLS != nil, server.Host, server.Port), External: base, Paths: make(map[string]string),
	}
	for _, p := range o.Plugins {
		defaults.Paths[p.ID] = p.Path
	}
	if fallback.Target != nil {
		defaults.Elsewhere = fallback.Target.String()
	}
	found := new(discovery.Discovery)
	found.Use(endpoints, defaults)
	return found, errors.Join(err1, err2, err3, err4)
}
