package host

import (
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// report says what was loaded, where the plugins are, where the host listens and where to look.
func (h *Host) report(loaded *appconfig.Config) {
	var names []string
	for _, layer := range loaded.Layers() {
		names = append(names, layer.Name)
	}
	h.log.Info("loaded config", zap.Strings("layers", names), zap.Int("secretsStruckOut", len(h.secrets)))
	for _, m := range h.mounts {
		h.log.Info("plugin mounted", zap.String("plugin", m.plugin.ID), zap.String("url", h.URL()+m.prefix))
	}
	h.log.Info("listening", zap.String("url", h.URL()), zap.String("readiness", h.URL()+"/.backstage/health/v1/readiness"))
	for _, ready := range h.ready {
		ready()
	}
}

// warnUnset warns once of each variable that is not set and names the keys that vanished with it: Backstage
// drops them without a word. It comes before what may be missing for that reason is reported.
func (h *Host) warnUnset(config *appconfig.Config) {
	for _, unset := range config.Unset() {
		h.log.Warn("environment variable is not set: the config lacks the keys that use it",
			zap.String("variable", unset.Name), zap.Strings("keys", unset.Keys))
	}
}
