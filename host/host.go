// Package host runs backend plugins as a Backstage backend does: it loads the app-config layers, makes an
// environment for each plugin, registers the plugins' routers below /api and serves them.
//
// A program lists its plugins and runs the host. Package host/cli does it with a command line; without one it is
//
//	h := host.New(host.Options{Plugins: []plugin.Plugin{coder.Plugin()}, Config: appconfig.Options{Environ: os.Environ()}})
//	err := h.Run(ctx)
//
// The start and each reload take the same way: prepare makes a state of a configuration and checks it, use puts
// the state into use, one named part after the other.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/discovery"
	"github.com/understudy-host/understudy/pkg/gateway"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/plugin"
)

// grace is the time for requests in flight when the host stops, and hookGrace the time for shutdown hooks.
const (
	grace     = 30 * time.Second
	hookGrace = 10 * time.Second
)

// Options say what a host runs, where it finds its configuration and where it writes its log.
type Options struct {
	Plugins    []plugin.Plugin
	Extensions []plugin.Extension

	// Config says where the configuration is. NODE_ENV and LOG_LEVEL are read from its Environ.
	Config appconfig.Options

	// NotFound answers requests that no plugin serves; nil is a 404 without a body, as in a Node backend.
	NotFound http.Handler

	Log       io.Writer // nil is standard output
	LogFormat string    // "json" or "text"; "" is json in production (NODE_ENV), text otherwise
	LogColor  bool      // gives text Backstage's colours: see logging.Colored

	Listen  plugin.Listen // how to get a socket; nil is net.Listen
	Memo    memo.Backend  // where values outlive the process; nil is nowhere
	Ready   func()        // called when the host serves; may be nil
	Drained bool          // no requests come any more when Run is to end: it does so at once, and without a word
	Quiet   bool          // the log has only what is wrong until the host serves
}

// Host is a backend: New makes one, Run serves it. Open and Close do the same in two steps, for programs
// and tests that do something else meanwhile.
type Host struct {
	options   Options
	root      *zap.Logger // the parent of all loggers
	log       *zap.Logger // for the host's own lines
	access    *zap.Logger // for served requests
	sink      *logging.Sink
	schema    *schema.Schema // the host's and those of all plugins and extensions
	whole     whole
	secrets   []string // of all configurations so far
	hidden    int      // how many of them the log strikes out
	layers    []appconfig.Layer
	mounts    []*mount
	memo      *memo.Store
	apiRouter http.Handler
	live      httpserver.Live // the apiRouter with what the server options put around it
	health    httpserver.Health
	server    *httpserver.Server
	first     *state             // of the start
	last      *state             // the newest in use
	fallback  *gateway.Gateway   // for requests that no plugin serves, or nil
	streams   context.Context    // of the fallback: it ends when the host stops
	end       context.CancelFunc // ends streams
	discovery discovery.Discovery
	auth      *backstageauth.Authenticator
	internal  string                       // where plugins here reach each other
	running   map[string]*plugin.Lifecycle // the extensions that run, by name
	ready     []func()                     // functions of extensions to call when the host serves
	cleaning  sync.WaitGroup               // counts the generations whose hooks have not finished
	stop      context.CancelFunc
	watching  sync.WaitGroup
	reloads   chan struct{} // calls of Reload
}

// New returns a host. It opens the log, and reads nothing else yet.
func New(o Options) *Host {
	if o.Log == nil {
		o.Log = os.Stdout
	}
	if o.Listen == nil {
		o.Listen = func(ctx context.Context, _, address string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", address)
		}
	}
	h := &Host{options: o, stop: func() {}, reloads: make(chan struct{}, 1)}
	h.streams, h.end = context.WithCancel(context.Background())
	h.options.Config.Reload = h.reloads
	h.root, h.sink = logging.New(logging.Options{
		Output: zapcore.AddSync(o.Log), Level: h.environ("LOG_LEVEL"), Color: o.LogColor,
		JSON: o.LogFormat == "json" || o.LogFormat == "" && h.production(),
	})
	h.sink.Hush(o.Quiet)
	h.log = h.root.With(zap.String("service", "host"))
	h.access = h.root.With(zap.String("service", "rootHttpRouter"))
	h.memo = memo.New(o.Memo, func(name string, err error) {
		h.log.Error("a value does not outlive this process", zap.String("value", name), zap.Error(err))
	})
	return h
}

// Run opens the host, serves until ctx ends and then for backend.lifecycle.serverShutdownDelay, and closes it. It
// finishes the requests in flight first. Its error has one line for each problem that stopped the start.
func (h *Host) Run(ctx context.Context) error {
	if err := h.Open(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		h.health.SetStopping()
		h.sink.Hush(h.options.Drained)
		h.log.Info("stopping: readiness fails at once, and after the delay the requests in flight are finished",
			zap.Duration("delay", h.live.ShutdownDelay()), zap.NamedError("reason", context.Cause(ctx)))
		if !h.options.Drained {
			h.server.Delay(h.live.ShutdownDelay())
		}
		return h.Close()
	case err := <-h.server.Done():
		return errors.Join(fmt.Errorf("serving ended: %w", err), h.Close())
	}
}

// Open loads the configuration, sets up the plugins and starts to serve. When it returns without an error, the host
// answers requests. Otherwise it has undone everything. ctx limits only the start.
func (h *Host) Open(ctx context.Context) (err error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	h.auth = backstageauth.New(running, h.root.With(zap.String("service", "auth")), &h.discovery)
	if err := h.options.check(); err != nil {
		return err
	}
	if h.schema, err = schema.Compile(h.options.Schemas()...); err != nil {
		return err
	}
	loaded, err := appconfig.Load(ctx, h.options.Config)
	if err != nil {
		return loadError(err)
	}
	if err := h.mountPlugins(); err != nil {
		return err
	}
	first, err := h.prepare(loaded)
	if err != nil {
		h.note(loaded)
		return errors.Join(err, h.otherProblems(running, first))
	}
	h.sink.Use(first.log) // before anything is logged
	listener, err := httpserver.Listen(ctx, h.options.Listen, first.server)
	if err != nil {
		return err
	}
	defer func() {
		if h.server == nil {
			_ = listener.Close()
		}
	}()
	h.internal = internalURL(first.server, listener.Addr())
	if err := h.addLayers(ctx, loaded, listener.Addr()); err != nil {
		return err
	}
	config := h.layered(loaded)
	h.note(config)
	s, err := h.prepare(config)
	if err != nil {
		return err
	}
	s.loaded = loaded
	if err := h.boot(running, s); err != nil {
		return err
	}
	h.first, h.last = s, s
	h.server = httpserver.Serve(listener, h.live.TLS(), h.access, &h.live)
	h.health.SetReady()
	h.report()
	h.watch(running, loaded)
	h.sink.Hush(false)
	if h.options.Ready != nil {
		h.options.Ready()
	}
	return nil
}

// otherProblems returns what else is wrong with a state that cannot be used, so that all problems are reported at
// once. It checks the extensions that are on. If there are none, it sets up the plugins: with an extension they might
// lack its layer.
func (h *Host) otherProblems(ctx context.Context, s *state) error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, x := range h.options.Extensions {
		if on, _ := x.Enabled(s.config); on {
			errs = append(errs, x.Check(s.config))
		}
	}
	if errs == nil {
		_, err := h.use(ctx, s)
		return err
	}
	return errors.Join(errs...)
}

// URL returns a URL at which the open host answers on this machine, "" before Open.
func (h *Host) URL() string {
	if h.server == nil {
		return ""
	}
	return h.server.URL()
}

// Reload makes a host that serves read its configuration again, as a changed file does. It may be called at any time.
func (h *Host) Reload() {
	select {
	case h.reloads <- struct{}{}:
		h.log.Info("reading the configuration again")
	default: // one that was called before is still to be done
	}
}

// Close stops serving when the requests in flight are answered, and then runs the shutdown hooks of the plugins and
// of the extensions. It may be called at any time: before Open, after an Open that failed, or again.
func (h *Host) Close() error {
	var errs []error
	h.health.SetStopping()
	h.end() // otherwise the requests would never be answered
	if h.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		errs = append(errs, h.server.Shutdown(ctx))
	}
	h.stop()
	h.watching.Wait()
	h.fallback.Close()
	h.cleaning.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), hookGrace)
	defer cancel()
	for _, x := range slices.Backward(h.options.Extensions) {
		if hooks := h.running[x.Name]; hooks != nil {
			errs = append(errs, hooks.Shutdown(ctx))
		}
	}
	return errors.Join(errs...)
}

func (h *Host) production() bool { return h.environ("NODE_ENV") == "production" }

// environ returns the last value of an environment variable.
func (h *Host) environ(name string) string {
	for _, entry := range slices.Backward(h.options.Config.Environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}
