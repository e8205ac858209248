package host

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/httpserver"
)

// reload puts a changed configuration into use: plugins whose own part changed get a new handler, the others
// notice nothing. What is wrong is logged, and the last good state goes on.
func (h *Host) reload(ctx context.Context, config *appconfig.Config) {
	config = h.overlaid(config)
	h.hide(config)
	h.warnUnset(config)
	baseURL, err1 := readBaseURL(config)
	options, err2 := httpserver.ReadOptions(config)
	if err := errors.Join(h.validate(config), err1, err2); err != nil {
		h.log.Error("the changed config is not used: it has an error", zap.Error(err))
		return
	}
	errs := []error{h.wrap(options)}
	if options.Host != h.listen.Host || options.Port != h.listen.Port || (options.TLS == nil) != (h.listen.TLS == nil) {
		h.log.Warn("backend.listen or backend.https changed: restart the host to put it into use")
	}
	if enabled, _, _ := config.GetOptionalBoolean("understudy.sandbox.enabled"); enabled != (h.sandbox != nil) {
		h.log.Warn("understudy.sandbox.enabled changed: restart the host to put it into use")
	}
	if given, _ := config.Has("backend.https.certificate"); given {
		h.tls.Store(options.TLS) // one that is made up stays: people have told their browsers to trust it
	}
	for _, m := range h.mounts {
		changed, err := m.build(ctx, config, baseURL)
		errs = append(errs, err)
		if changed {
			h.log.Info("plugin " + m.plugin.ID + " uses the changed config")
		}
	}
	if err := errors.Join(errs...); err != nil {
		h.log.Error("a part of the changed config is not used: it has an error", zap.Error(err))
		return
	}
	h.log.Info("the changed config is in use")
}

// watch puts changes of the configuration into use until ctx ends. current is what was loaded at the start.
func (h *Host) watch(ctx context.Context, current *appconfig.Config) {
	h.watching = make(chan struct{})
	go func() {
		defer close(h.watching)
		err := appconfig.Watch(ctx, h.source(), current, func(config *appconfig.Config, err error) {
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
