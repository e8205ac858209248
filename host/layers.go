package host

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/plugin"
)

// addLayers adds what only the running process knows: the actual port if backend.baseUrl has port 0, and the layers
// of the extensions that are on.
func (h *Host) addLayers(ctx context.Context, loaded *appconfig.Config, address net.Addr) error {
	base, err := readBaseURL(loaded)
	if err != nil {
		return err
	}
	_, port, socketErr := net.SplitHostPort(address.String()) // a unix socket has no port
	if u, err := url.Parse(base); err == nil && u.Port() == "0" && socketErr == nil {
		u.Host = net.JoinHostPort(u.Hostname(), port)
		base = u.String()
		h.addLayer(map[string]any{"backend": map[string]any{"baseUrl": base}})
	}
	h.running = make(map[string]*plugin.Lifecycle)
	var errs []error
	for _, x := range h.options.Extensions {
		errs = append(errs, h.openExtension(ctx, x, h.layered(loaded), base))
	}
	return errors.Join(errs...)
}

func (h *Host) openExtension(ctx context.Context, x plugin.Extension, config *appconfig.Config, baseURL string) error {
	enabled, err := x.Enabled(config)
	if err != nil || !enabled {
		return err
	}
	hooks := new(plugin.Lifecycle)
	h.running[x.Name] = hooks
	layers, ready, err := x.Open(ctx, plugin.Environment{
		Logger: h.root.With(zap.String("service", x.Name)), Config: config, BaseURL: baseURL,
		Production: h.production(), Lifecycle: hooks, Memo: h.memo.Scope(x.Name), Listen: h.options.Listen,
	})
	if err != nil {
		return err
	}
	for _, layer := range layers {
		h.addLayer(layer)
	}
	if ready != nil {
		h.ready = append(h.ready, ready)
	}
	return nil
}

func (h *Host) addLayer(data map[string]any) {
	h.layers = append(h.layers, appconfig.Layer{Data: value.FromMap(data)})
}

// layered returns loaded with the host's own layers on top. They have the name of the topmost loaded layer, since
// errors about a missing value show that name.
func (h *Host) layered(loaded *appconfig.Config) *appconfig.Config {
	layers := slices.Clone(loaded.Layers())
	for _, layer := range h.layers {
		layer.Name = layers[len(layers)-1].Name
		layers = append(layers, layer)
	}
	return appconfig.New(layers...)
}
