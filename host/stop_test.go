package host_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// running runs a host of the echo plugin. stop ends its context, and ended has what Run returns.
func running(t *testing.T, o appconfig.Options) (h *host.Host, log *plugintest.Log, stop context.CancelCauseFunc, ended chan error) {
	t.Helper()
	log, ended = new(plugintest.Log), make(chan error, 1)
	o.RootDir, o.AllowMissingDefault = t.TempDir(), true
	o.Environ = append(o.Environ, "APP_CONFIG_backend_baseUrl=http://localhost:0", "APP_CONFIG_backend_listen=127.0.0.1:0", "APP_CONFIG_echo_word=hello")
	h = host.New(host.Options{Plugins: []plugin.Plugin{echo()}, Log: log, Config: o})
	ctx, stop := context.WithCancelCause(context.Background())
	go func() { ended <- h.Run(ctx) }()
	log.Wait(t, "listening")
	return h, log, stop, ended
}

// Load balancers see at once that the host stops, and it serves on until they have looked elsewhere.
func TestStopServesOnForTheDelayWhileReadinessFails(t *testing.T) {
	h, log, stop, ended := running(t, appconfig.Options{
		Environ: []string{`APP_CONFIG_backend_lifecycle_serverShutdownDelay={"hours":1}`},
	})
	stop(errors.New("SIGTERM"))
	if got := log.Wait(t, "after the delay the requests in flight are finished"); !strings.Contains(got, `delay="1h0m0s" reason="SIGTERM"`) {
		t.Errorf("the log says %s", got)
	}
	for path, want := range map[string]int{
		"/.backstage/health/v1/readiness": 503, "/.backstage/health/v1/liveness": 200, "/api/echo/word": 200,
	} {
		if status, body, _ := get(t, h.URL()+path); status != want {
			t.Errorf("GET %s: %d %s, want %d", path, status, body, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := errors.Join(h.Close(), <-ended); err != nil { // Close ends the delay
		t.Error(err)
	}
}

// A read of a provider cannot be ended. The stop leaves it behind.
func TestStopEndsWhileALoadHangs(t *testing.T) {
	var loads atomic.Int32
	hangs, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	h, _, stop, ended := running(t, appconfig.Options{Providers: []appconfig.Provider{{Name: "vault", Provider: reading(func() (map[string]any, error) {
		if loads.Add(1) == 3 { // after those of the start and of the watch
			close(hangs)
			<-release
		}
		return nil, nil
	})}}})
	h.Reload()
	<-hangs
	stop(nil)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
