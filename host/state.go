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
		{"certificate", h.useCertificate},
		{"extensions", h.useExtensions},
	}
	for _, m := range h.mounts {
		list = append(list, reloader{"plugin " + m.plugin.ID, m.use})
	}
	return list
}

// use puts a state into use, one part after the other. Its error holds a *partError for each that failed.
func (h *Host) use(ctx context.Context, s *state) error {
	var errs []error
	for _, r := range h.reloaders() {
		if err := r.use(ctx, s); err != nil {
			errs = append(errs, &partError{r.name, err})
		}
	}
	return errors.Join(errs...)
}

// apply puts a loaded configuration into use, with the host's own layers on top.
func (h *Host) apply(ctx context.Context, loaded *appconfig.Config) error {
	config := h.layered(loaded)
	h.hide(config)
	h.warnUnset(config)
	s, err := h.prepare(config)
	if err != nil {
		return err
	}
	return h.use(ctx, s)
}

// partError says that one part of a configuration is not used, while others are.
type partError struct {
	part string
	err  error
}

func (e *partError) Error() string { return e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// hide strikes the secrets of config out of the log, from now on and for good: a handler of an earlier
// configuration may still be at work.
func (h *Host) hide(config *appconfig.Config) {
	h.secrets = slices.Compact(slices.Sorted(slices.Values(append(h.secrets, h.schema.Secrets(config)...))))
	h.redactor.SetSecrets(h.secrets)
}

// useServer makes the handler of the server options the one in use. The address stays as it is.
func (h *Host) useServer(_ context.Context, s *state) error {
	handler := httpserver.Wrap(s.server, &h.health, h.access, h.apiRouter)
	h.handler.Store(&handler)
	if now := s.server; now.Host != h.listening.Host || now.Port != h.listening.Port || (now.TLS == nil) != (h.listening.TLS == nil) {
		h.log.Warn("backend.listen or backend.https changed: restart the host to put it into use")
	}
	return nil
}

// useCertificate takes a certificate that the configuration gives. One that was made up stays: people have told
// their browsers to trust it.
func (h *Host) useCertificate(_ context.Context, s *state) error {
	if given, _ := s.config.Has("backend.https.certificate"); given || h.tls.Load() == nil {
		h.tls.Store(s.server.TLS)
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
	h.watching = make(chan struct{})
	go func() {
		defer close(h.watching)
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
	}()
}

// reload puts a changed configuration into use. What is wrong with it is logged, and the last good state goes on.
func (h *Host) reload(ctx context.Context, loaded *appconfig.Config) {
	err := h.apply(ctx, loaded)
	if _, partial := errors.AsType[*partError](err); partial {
		h.log.Error("a part of the changed config is not used: it has an error", zap.Error(err))
	} else if err != nil {
		h.log.Error("the changed config is not used: it has an error", zap.Error(err))
	} else {
		h.log.Info("the changed config is in use")
	}
}
