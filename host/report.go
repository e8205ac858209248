package host

import (
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// report says what was loaded, how many secrets are hidden, where the host listens and where to look.
func (h *Host) report(loaded *appconfig.Config, hidden int) {
	var names []string
	for _, layer := range loaded.Layers() {
		names = append(names, layer.Name)
	}
	h.log.Info("loaded config from " + strings.Join(names, ", "))
	h.log.Info("secrets are struck out of this log", zap.Int("values", hidden))
	for _, m := range h.mounts {
		h.log.Info("plugin " + m.plugin.ID + " is at " + h.URL() + m.prefix)
	}
	h.log.Info("health checks are at " + h.URL() + "/.backstage/health/v1/readiness")
	h.log.Info("listening on " + h.URL())
	if h.sandbox != nil {
		h.log.Info("the sandbox stands in for Coder at " + h.sandbox.CoderURL())
		h.log.Info("open " + h.sandbox.DemoURL() + " in a browser to sign in")
	}
}

// warnUnset warns once of each variable that is not set and names the keys that vanished with it: Backstage
// drops them without a word. It comes before what may be missing for that reason is reported.
func (h *Host) warnUnset(config *appconfig.Config) {
	for _, unset := range config.Unset() {
		h.log.Warn("environment variable " + unset.Name + " is not set: the config has no " + strings.Join(unset.Keys, ", "))
	}
}
