package host

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/logging"
)

// state is what the host makes of one configuration before it changes anything that runs.
type state struct {
	config  *appconfig.Config
	baseURL string
	server  httpserver.Options
	log     logging.Settings
}

// prepare checks a configuration and makes a state of it. It changes nothing. If the configuration matches the
// schemas, it returns a state beside an error too, for otherProblems.
func (h *Host) prepare(config *appconfig.Config) (*state, error) {
	if err := h.validate(config); err != nil {
		return nil, err
	}
	baseURL, err1 := readBaseURL(config)
	server, err2 := httpserver.ReadOptions(config)
	log, err3 := logging.ReadSettings(config)
	return &state{config, baseURL, server, log}, errors.Join(err1, err2, err3)
}

// A reloader puts one part of a state into use. If it fails, the old part stays in use.
type reloader struct {
	name string
	use  func(ctx context.Context, s *state) error
}

// reloaders lists all that a configuration decides, at the start and at a reload alike.
func (h *Host) reloaders() []reloader {
	list := []reloader{
		{"logger", h.useLogger},
		{"server", h.useServer},
		{"extensions", h.useExtensions},
	}
	for _, m := range h.mounts {
		list = append(list, reloader{"plugin " + m.plugin.ID, m.use})
	}
	return list
}

// use puts a state into use, one part after the other. It returns the names of the parts that failed.
func (h *Host) use(ctx context.Context, s *state) (failed []string, err error) {
	var errs []error
	for _, r := range h.reloaders() {
		if err := r.use(ctx, s); err != nil {
			failed, errs = append(failed, r.name), append(errs, err)
		}
	}
	return failed, errors.Join(errs...)
}

// note prepares the log for a configuration. Its secrets are struck out from now on, for good: a handler with an
// earlier configuration may still run. Variables that are not set are logged with the keys that are left out, which
// Backstage does not do.
func (h *Host) note(config *appconfig.Config) {
	h.secrets = slices.Compact(slices.Sorted(slices.Values(append(h.secrets, h.schema.Secrets(config)...))))
	h.hidden = h.sink.SetSecrets(h.secrets)
	for _, unset := range config.Unset() {
		h.log.Warn("environment variable is not set: the config lacks the keys that use it",
			zap.String("variable", unset.Name), zap.Strings("keys", unset.Keys))
	}
}

// useLogger gives all loggers the settings of backend.logger.
func (h *Host) useLogger(_ context.Context, s *state) error {
	h.sink.Use(s.log)
	return nil
}

// useServer applies the server options to all requests from now on. The address stays the same.
func (h *Host) useServer(_ context.Context, s *state) error {
	h.live.Use(s.server, httpserver.Wrap(s.server, &h.health, h.access, h.apiRouter))
	if now := s.server; now.Host != h.listening.Host || now.Port != h.listening.Port || (now.TLS == nil) != (h.listening.TLS == nil) {
		h.log.Warn("backend.listen or backend.https changed: restart the host to put it into use")
	}
	return nil
}

// useExtensions warns of extensions that only a restart turns on or off.
func (h *Host) useExtensions(_ context.Context, s *state) error {
	for _, x := range h.options.Extensions {
		if enabled, _ := x.Enabled(s.config); enabled != (h.running[x.Name] != nil) {
			h.log.Warn("a config key changed: restart the host to put it into use", zap.String("key", x.Key))
		}
	}
	return nil
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

// reload puts a changed configuration into use. Problems are logged, and the last good state stays in use.
func (h *Host) reload(ctx context.Context, loaded *appconfig.Config) {
	config := h.layered(loaded)
	h.note(config)
	s, err := h.prepare(config)
	if err != nil {
		h.log.Error("the changed config is not used: it has an error", zap.Error(err))
	} else if failed, err := h.use(ctx, s); err != nil {
		h.log.Error("a part of the changed config is not used: it has an error", zap.Strings("parts", failed), zap.Error(err))
	} else {
		h.log.Info("the changed config is in use")
	}
}
