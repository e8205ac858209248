package host

import "go.uber.org/zap"

// report logs the loaded layers, the URL of each plugin and that of the host, and calls the ready functions of the
// extensions.
func (h *Host) report() {
	var names []string
	for _, layer := range h.first.loaded.Layers() {
		names = append(names, layer.Name)
	}
	h.log.Info("loaded config", zap.Strings("layers", names), zap.Int("secretsStruckOut", h.hidden))
	if keys := h.unread(h.first.config); len(keys) > 0 {
		h.log.Info("keys of Backstage that have no effect here", zap.Strings("keys", keys))
	}
	for _, m := range h.mounts {
		if m.current.Load() != nil {
			h.log.Info("plugin mounted", zap.String("plugin", m.plugin.ID), zap.String("url", h.URL()+m.prefix))
		}
	}
	if mismatch := h.server.Mismatch(h.first.baseURL); mismatch != "" {
		h.log.Warn(mismatch)
	}
	h.log.Info("listening", zap.String("url", h.URL()), zap.String("readiness", h.URL()+"/.backstage/health/v1/readiness"))
	for _, ready := range h.ready {
		ready()
	}
}
