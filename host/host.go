// Package host runs backend plugins as a Backstage backend does: it loads the app-config layers, makes an
// environment for each plugin, registers the plugins' routers below /api and serves them.
//
// A program lists its plugins and runs the host; host/understudy is that program:
//
//	h := host.New(host.Options{Args: os.Args[1:], Environ: os.Environ()})
//	h.Add(coder.Plugin())
//	err := h.Run(ctx)
package host

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
)

// grace is how long requests in flight, and then the plugins' shutdown hooks, have when the host stops.
const grace = 30 * time.Second

// hostSchema declares what the host itself reads.
//
//go:embed schema.json
var hostSchema []byte

// Options say where a host finds its configuration and where it writes its log.
type Options struct {
	Args    []string  // the command line, from which --config is read
	Environ []string  // KEY=VALUE, in order: APP_CONFIG_*, NODE_ENV, LOG_LEVEL and what ${…} names
	RootDir string    // where the default app-config files are; "" is the project's root, or the working directory
	Log     io.Writer // nil is standard output

	// Providers are further layers, between the files and the variables: a secrets manager, say. They are read at
	// the start, and again whenever a file changes.
	Providers []appconfig.Provider
}

// Host is a backend: New makes one, Add gives it plugins, Run serves them. Open and Close do what Run does,
// in two steps, for programs and tests that go on meanwhile.
type Host struct {
	options  Options
	plugins  []plugin.Plugin
	schema   *schema.Schema // the host's and all plugins'
	log      *zap.Logger    // child of the root logger for the host's own lines
	access   *zap.Logger    // and that for served requests
	redactor *logging.Redactor
	secrets  []string // of all configurations so far
	mounts   []*mount
	routes   http.Handler // the apiRouter
	handler  atomic.Pointer[http.Handler]
	health   httpserver.Health
	server   *httpserver.Server
	listen   httpserver.Options // as it was at start
	tls      atomic.Pointer[tls.Config]
	overlay  []object // what only the running host knows: free ports taken, the sandbox's client
	sandbox  *sandbox.Sandbox
	hooks    plugin.Lifecycle
	stop     context.CancelFunc
	watching chan struct{} // closed when the watcher has ended
}

// New returns a host without plugins. It reads nothing yet.
func New(o Options) *Host {
	if o.Log == nil {
		o.Log = os.Stdout
	}
	return &Host{options: o}
}

// Add registers a plugin. It must be called before Open or Run.
func (h *Host) Add(p plugin.Plugin) { h.plugins = append(h.plugins, p) }

// Schemas returns the host's own config schema and those of plugins, for commands that work on the
// configuration alone.
func Schemas(plugins ...plugin.Plugin) []schema.Source {
	sources := []schema.Source{{PackageName: "host", Path: "host/schema.json", Value: hostSchema}}
	for _, p := range plugins {
		sources = append(sources, schema.Source{PackageName: p.ID, Path: "plugin/" + p.ID + "/schema.json", Value: p.Schema})
	}
	return sources
}

// Run opens the host, serves until ctx ends, and closes it: requests in flight are finished first. The error
// has one line for each problem that stopped the start.
func (h *Host) Run(ctx context.Context) error {
	if err := h.Open(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		h.log.Info("stopping: finishing the requests in flight")
		return h.Close()
	case err := <-h.server.Done():
		return errors.Join(fmt.Errorf("serving ended: %w", err), h.Close())
	}
}

// Open loads the configuration, sets up the plugins and starts to serve. When it returns, requests are
// answered, or everything that was begun has been undone. ctx limits the start alone.
func (h *Host) Open(ctx context.Context) (err error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	root, redactor, err := logging.New(logging.Options{
		Output: zapcore.AddSync(h.options.Log), JSON: h.environ("NODE_ENV") == "production", Level: h.environ("LOG_LEVEL"),
	})
	if err != nil {
		return err
	}
	h.redactor, h.log = redactor, root.With(zap.String("service", "host"))
	h.access = root.With(zap.String("service", "rootHttpRouter"))

	loaded, err := appconfig.Load(ctx, h.source())
	if err != nil {
		return loadError(err)
	}
	if h.schema, err = schema.Compile(Schemas(h.plugins...)...); err != nil {
		return err
	}
	if err := h.validate(loaded); err != nil {
		h.warnUnset(loaded)
		return err
	}
	options, err := httpserver.ReadOptions(loaded)
	if err != nil {
		return err
	}
	listener, err := httpserver.Listen(ctx, options)
	if err != nil {
		return err
	}
	defer func() {
		if h.server == nil {
			_ = listener.Close()
		}
	}()
	if err := h.complete(ctx, loaded, listener.Addr(), root); err != nil {
		return err
	}
	config := h.overlaid(loaded)
	hidden := h.hide(config)
	h.warnUnset(config)
	baseURL, err := readBaseURL(config)
	if err := errors.Join(err, h.mountAll(running, config, baseURL, root)); err != nil {
		return err
	}
	h.listen = options
	if err := h.wrap(options); err != nil {
		return err
	}
	h.server = httpserver.Serve(listener, h.certificate(options), h.access, http.HandlerFunc(h.serve))
	h.health.SetReady()
	h.report(loaded, hidden)
	h.watch(running, loaded)
	return nil
}

// URL returns a URL at which the open host answers on this machine.
func (h *Host) URL() string { return h.server.URL() }

// Close stops serving once the requests in flight are answered, has the plugins clean up and ends the
// sandbox. It does what is left to do, so it may follow an Open that failed, or another Close, or nothing.
func (h *Host) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var errs []error
	h.health.SetStopping()
	if h.server != nil {
		errs = append(errs, h.server.Shutdown(ctx))
	}
	if h.stop != nil {
		h.stop()
	}
	if h.watching != nil {
		<-h.watching
	}
	errs = append(errs, h.hooks.Shutdown(ctx))
	if h.sandbox != nil {
		errs = append(errs, h.sandbox.Close(ctx))
		h.sandbox = nil
	}
	return errors.Join(errs...)
}

// serve answers with the handler of the newest configuration.
func (h *Host) serve(w http.ResponseWriter, r *http.Request) { (*h.handler.Load()).ServeHTTP(w, r) }

// certificate returns the TLS configuration to serve with, which takes each connection's certificate from the
// newest configuration: one that is renewed is used without a restart. It is nil for plain HTTP.
func (h *Host) certificate(o httpserver.Options) *tls.Config {
	if o.TLS == nil {
		return nil
	}
	h.tls.Store(o.TLS)
	return &tls.Config{
		MinVersion:         o.TLS.MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return h.tls.Load(), nil },
	}
}

// wrap makes the handler of the given server options the one in use.
func (h *Host) wrap(o httpserver.Options) error {
	handler, err := httpserver.Wrap(o, &h.health, h.access, h.routes)
	if err == nil {
		h.handler.Store(&handler)
	}
	return err
}

// hide strikes the secrets of config out of the log, from now on and for good: a handler of an earlier
// configuration may still be at work. It returns how many there are.
func (h *Host) hide(config *appconfig.Config) int {
	h.secrets = slices.Compact(slices.Sorted(slices.Values(append(h.secrets, h.schema.Secrets(config)...))))
	return h.redactor.SetSecrets(h.secrets)
}

// mountAll builds each plugin's environment and handler, and the apiRouter over them.
func (h *Host) mountAll(ctx context.Context, config *appconfig.Config, baseURL string, root *zap.Logger) error {
	router := mux.NewRouter().SkipClean(true)
	router.NotFoundHandler = http.HandlerFunc(notFound)
	var errs []error
	for _, p := range h.plugins {
		own, err := schema.Compile(schema.Source{PackageName: p.ID, Path: "schema.json", Value: p.Schema})
		if err != nil {
			return fmt.Errorf("plugin %s: %w", p.ID, err)
		}
		if i := slices.IndexFunc(h.mounts, func(m *mount) bool {
			return m.plugin.ID == p.ID || nested(m.plugin.Path, p.Path)
		}); i >= 0 {
			return fmt.Errorf("plugin %s at %s conflicts with plugin %s at %s", p.ID, p.Path, h.mounts[i].plugin.ID, h.mounts[i].plugin.Path)
		}
		m := &mount{plugin: p, schema: own, prefix: "/api" + p.Path, env: plugin.Environment{
			Logger: root.With(zap.String("type", "plugin"), zap.String("plugin", p.ID)), Lifecycle: &h.hooks,
		}}
		_, err = m.build(ctx, config, baseURL)
		errs = append(errs, err)
		h.mounts = append(h.mounts, m)
		router.NewRoute().MatcherFunc(m.match).Handler(m)
	}
	h.routes = router
	return errors.Join(errs...)
}

// notFound answers for what no plugin serves, as a Node backend does: without a body, but for sign-in
// providers that are not there, of which its auth backend speaks.
func notFound(w http.ResponseWriter, r *http.Request) {
	const auth = "/api/auth"
	path := r.URL.EscapedPath() // Express compares paths as they were sent
	if len(path) > len(auth)+1 && strings.EqualFold(path[:len(auth)+1], auth+"/") {
		provider, _, _ := strings.Cut(strings.TrimLeft(path[len(auth):], "/"), "/")
		if plain, err := url.PathUnescape(provider); err == nil && plain != "" {
			apierror.Write(w, r, logging.URL(r.URL.RequestURI()[len(auth):]), apierror.NotFound("Unknown auth provider '"+plain+"'"))
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// nested tells whether one path is the other or lies below it.
func nested(a, b string) bool {
	a, b = strings.ToLower(a)+"/", strings.ToLower(b)+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

func (h *Host) source() appconfig.Options {
	o := h.options
	return appconfig.Options{RootDir: o.RootDir, Args: o.Args, Environ: o.Environ, Providers: o.Providers}
}

// environ returns the last value of an environment variable.
func (h *Host) environ(name string) string {
	for _, entry := range slices.Backward(h.options.Environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}
