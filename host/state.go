package host

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/httpserver"
)

// state is all that the host makes of one configuration before it touches anything that runs.
type state struct {
	config  *appconfig.Config
	baseURL string
	server  httpserver.Options
}

// prepare checks a configuration and makes a state of it. It changes nothing. The state is there beside an error
// too if the configuration matches the schemas: it may be asked what else is wrong.
func (h *Host) prepare(config *appconfig.Config) (*state, error) {
	if err := h.validate(config); err != nil {
		return nil, err
	}
	baseURL, err1 := readBaseURL(config)
	server, err2 := httpserver.ReadOptions(config)
	return &state{config, baseURL, server}, errors.Join(err1, err2)
}

// A reloader puts one part of a state into use. When it fails, what was in use stays.
type reloader struct {
	name string
	use  func(ctx context.Context, s *state) error
}

// reloaders lists all that a configuration decides, at the start and at a reload alike.
func (h *Host) reloaders() []reloader {
	list := []reloader{
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

// note tells the log of a configuration: its secrets are struck out from now on and for good, as a handler of an
// earlier configuration may still be at work; and variables that are not set are named, with the keys that vanished
// with them. Backstage drops these without a word.
func (h *Host) note(config *appconfig.Config) {
	h.secrets = slices.Compact(slices.Sorted(slices.Values(append(h.secrets, h.schema.Secrets(config)...))))
	h.hidden = h.redactor.SetSecrets(h.secrets)
	for _, unset := range config.Unset() {
		h.log.Warn("environment variable is not set: the config lacks the keys that use it",
			zap.String("variable", unset.Name), zap.Strings("keys", unset.Keys))
	}
}

// useServer makes the server options those of all requests. The address stays as it is.
func (h *Host) useServer(_ context.Context, s *state) error {
	h.live.Use(s.server, httpserver.Wrap(s.server, &h.health, h.access, h.apiRouter))
	if now := s.server; now.Host != h.listening.Host || now.Port != h.listening.Port || (now.TLS == nil) != (h.listening.TLS == nil) {
		h.log.Warn("backend.listen or backend.https changed: restart the host to put it into use")
	}
	return nil
}

// useExtensions names those that a restart would start or leave out.
func (h *Host) useExtensions(_ context.Context, s *state) error {
	for _, x := range h.options.Extensions {
		if enabled, _ := x.Enabled(s.config); enabled != (h.running[x.Name] != nil) {
			h.log.Warn("a config key changed: restart the host to put it into use", zap.String("key", x.Key))
		}
	}
	return nil
}

// watch puts changes of the configuration into use until ctx ends. current is what was loaded at the start.
func (h *Host) watch(ctx context.Context, current *appconfig.Config) {
	h.watching.Go(func() {
		err := appconfig.Watch(ctx, h.options.Config, current, func(config *appconfig.Config, err error) {
			if _, late := errors.AsType[*appconfig.WatchError](err); late {
				h.log.Warn("changes of the config may be noticed only after a minute", zap.Error(err))
			} else if err != nil {
				h.log.Error("the changed config is not used: it does not load", zap.Error(loadError(err)))
			} else {
				h.reload(ctx, config)
			}
		})
		if err != nil {
			h.log.Error("changes of the config go unnoticed until a restart", zap.Error(err))
		}
	})
}

// reload puts a changed configuration into use. What is wrong with it is logged, and the last good state goes on.
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
