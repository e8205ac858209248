package host

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/host/change"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/discovery"
	"github.com/understudy-host/understudy/pkg/gateway"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/plugin"
)

// state is what the host makes of one configuration before it changes anything that runs.
type state struct {
	loaded    *appconfig.Config // what config is without the host's own layers; nil until it is to be used
	config    *appconfig.Config
	baseURL   string
	server    httpserver.Options
	log       logging.Settings
	boot      plugin.BootPolicy
	fallback  gateway.Settings
	endpoints discovery.Endpoints
	auth      backstageauth.Settings
}

// prepare checks a configuration and makes a state of it. It changes nothing. If the configuration matches the
// schemas, it returns a state beside an error too, for otherProblems.
func (h *Host) prepare(config *appconfig.Config) (*state, error) {
	if err := h.validate(config); err != nil {
		return nil, err
	}
	if app, err := h.app(config); app == nil {
		return nil, err
	}
	s := &state{config: config}
	var errs [7]error
	s.baseURL, errs[0] = readBaseURL(config)
	s.server, errs[1] = httpserver.ReadOptions(config)
	s.log, errs[2] = logging.ReadSettings(config)
	s.boot, errs[3] = plugin.ReadBootPolicy(config)
	s.fallback, errs[4] = gateway.Read(config, gateway.Address{BaseURL: s.baseURL, Host: s.server.Host, Port: s.server.Port})
	s.endpoints, errs[5] = discovery.Read(config)
	s.auth, errs[6] = backstageauth.Read(config)
	return s, errors.Join(errs[:]...)
}

// A reloader puts one part of a state into use. If it fails, the old part stays in use.
type reloader struct {
	name  string
	reads func(last, s *state) []string // the changed keys that the part reads
	use   func(ctx context.Context, s *state) error
}

// keys is a reloader's function for fixed keys.
func keys(sections ...string) func(last, s *state) []string {
	return func(last, s *state) []string {
		return change.Under(appconfig.Changed(last.config, s.config), sections...)
	}
}

// reloaders lists all that a configuration decides, at the start and at a reload alike.
func (h *Host) reloaders() []reloader {
	list := []reloader{
		{"logger", keys("backend.logger"), h.useLogger},
		{"server", keys(
			"backend.cors", "backend.csp", "backend.https", "backend.lifecycle.serverShutdownDelay", "backend.referrer",
			"backend.trustProxy", "understudy.fallback",
		), h.useServer},
		{"discovery", keys("backend.baseUrl", "discovery", "understudy.fallback"), h.useDiscovery},
		{"auth", keys("backend.auth"), func(_ context.Context, s *state) error { h.auth.Use(s.auth); return nil }},
		{"secrets", keys("understudy.schema"), func(context.Context, *state) error { return nil }}, // see note
		{"start", h.startReads, func(context.Context, *state) error { return nil }},
	}
	for _, m := range h.mounts {
		list = append(list, reloader{"plugin " + m.plugin.ID, m.reads, m.use})
	}
	return list
}

// use puts a state into use, one part after the other.
func (h *Host) use(ctx context.Context, s *state) (parts []change.Part, err error) {
	var errs []error
	for _, r := range h.reloaders() {
		part := change.Part{Name: r.name}
		if h.last != nil {
			part.Keys = r.reads(h.last, s)
		}
		part.Err = r.use(ctx, s)
		parts, errs = append(parts, part), append(errs, part.Err)
	}
	return parts, errors.Join(errs...)
}

// boot is use at the start. A plugin may fail if backend.startup says so: later changes may mend it.
func (h *Host) boot(ctx context.Context, s *state) error {
	parts, _ := h.use(ctx, s)
	var errs []error
	for _, part := range parts {
		failed, ok := errors.AsType[*plugin.Error](part.Err)
		if !ok || !s.boot.Permits(failed.ID) {
			errs = append(errs, part.Err)
			continue
		}
		h.log.Error("Plugin '"+failed.ID+"' threw an error during startup, but boot failure is permitted for this plugin so startup will continue.",
			zap.String("type", "initialization"), zap.Error(failed),
			zap.String("remedy", "mend its config: until then it is answered with 503; a restart is not needed"))
	}
	return errors.Join(errs...)
}

// note prepares the log for a configuration. Its secrets are struck out from now on, for good: a handler with an
// earlier configuration may still run. Variables that are not set are logged with the keys that are left out, which
// Backstage does not do.
func (h *Host) note(config *appconfig.Config) {
	secrets := h.schema.Secrets(config)
	if app, _ := h.app(config); app != nil {
		secrets = app.Secrets(config)
	}
	h.secrets = slices.Compact(slices.Sorted(slices.Values(append(h.secrets, secrets...))))
	h.hidden = h.sink.SetSecrets(h.secrets)
	for _, unset := range config.Unset() {
		if h.last != nil && slices.ContainsFunc(h.last.config.Unset(), func(old appconfig.Unset) bool {
			return slices.Equal(old.Names, unset.Names) && slices.Equal(old.Keys, unset.Keys)
		}) {
			continue // said before
		}
		fields := []zap.Field{zap.String("variable", strings.Join(unset.Names, ", ")), zap.Strings("keys", unset.Keys)}
		if unset.Hint != "" {
			fields = append(fields, zap.String("hint", unset.Hint))
		}
		h.log.Warn("environment variable is not set: the config lacks the keys that use it", fields...)
	}
}

// useLogger gives all loggers the settings of backend.logger.
func (h *Host) useLogger(_ context.Context, s *state) error {
	h.sink.Use(s.log)
	return nil
}

// useServer applies the server options to all requests from now on. The address stays the same. Requests that no plugin serves
// go to the fallback, if there is one.
func (h *Host) useServer(_ context.Context, s *state) error {
	old := h.fallback
	h.fallback = gateway.New(h.streams, s.fallback, h.log, func(next http.Handler) http.Handler { return httpserver.Layers(s.server, next) })
	s.server.Beyond = h.fallback.Beyond(h.owns)
	h.live.Use(s.server, httpserver.Wrap(s.server, &h.health, h.access, h.apiRouter))
	h.fallback.Announce(old)
	old.Close()
	return nil
}

// useDiscovery says where plugins are from now on.
func (h *Host) useDiscovery(_ context.Context, s *state) error {
	paths := make(map[string]string)
	for _, p := range h.options.Plugins {
		paths[p.ID] = p.Path
	}
	d := discovery.Defaults{Internal: h.internal, External: s.baseURL, Paths: paths}
	if s.fallback.Target != nil {
		d.Elsewhere = s.fallback.Target.String()
	}
	h.discovery.Use(s.endpoints, d)
	return nil
}

// internalURL returns where plugins reach each other at a server that listens on an address.
func internalURL(o httpserver.Options, address net.Addr) string {
	port := o.Port
	if tcp, ok := address.(*net.TCPAddr); ok {
		port = tcp.Port
	}
	return discovery.Local(o.TLS != nil, o.Host, port)
}

// startReads returns the changed keys that are read only at the start.
func (h *Host) startReads(last, s *state) []string {
	read := keys("backend.listen", "backend.startup")(last, s)
	for _, x := range h.options.Extensions {
		read = append(read, x.Changed(last.config, s.config)...)
	}
	return read
}

// needRestart returns the keys that differ from those at the start, and take effect only there.
func (h *Host) needRestart(s *state) []string {
	list := append(s.server.NeedRestart(h.first.server), keys("backend.startup")(h.first, s)...)
	for _, x := range h.options.Extensions {
		if on, _ := x.Enabled(s.config); on != (h.running[x.Name] != nil) {
			list = append(list, x.Key)
		} else if on {
			list = append(list, change.Without(x.Changed(h.first.config, s.config), []string{x.Key})...)
		}
	}
	return list
}

// watch puts changed configurations into use until ctx ends. current is the one that was loaded at the start.
func (h *Host) watch(ctx context.Context, current *appconfig.Config) {
	h.watching.Go(func() {
		err := appconfig.Watch(ctx, h.options.Config, current, func(config *appconfig.Config, err error) {
			if unwatched, ok := errors.AsType[*appconfig.WatchError](err); ok && unwatched.Err == nil {
				h.log.Info("changes of the config are noticed at once again: " + err.Error())
			} else if ok {
				h.log.Warn("changes of the config may be noticed late", zap.Error(err))
			} else if err != nil {
				h.log.Error("the changed config is not used: it does not load", zap.Error(loadError(err)))
			} else {
				h.reload(ctx, config)
			}
		})
		if err != nil {
			h.log.Error("the config is no longer watched", zap.Error(err))
		}
	})
}

// reload puts a changed configuration into use, and logs what came of it. If it is wrong, the last good state stays in
// use.
func (h *Host) reload(ctx context.Context, loaded *appconfig.Config) {
	config := h.layered(loaded)
	h.note(config)
	changed := appconfig.Changed(h.last.loaded, loaded)
	s, err := h.prepare(config)
	if err != nil {
		change.Refused(h.log, changed, err)
		return
	}
	s.loaded = loaded
	report := change.Report{Changed: changed, Restart: h.needRestart(s)}
	report.Hidden = change.Without(appconfig.Changed(h.first.loaded, loaded), appconfig.Changed(h.first.config, config))
	if mismatch := h.server.Mismatch(s.baseURL); mismatch != "" && mismatch != h.server.Mismatch(h.last.baseURL) {
		report.Warnings = []string{mismatch}
	}
	report.Parts, _ = h.use(ctx, s)
	h.last = s
	report.Log(h.log)
}
