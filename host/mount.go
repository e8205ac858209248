package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/plugin"
)

// apiPrefix is where the apiRouter is.
const apiPrefix = "/api"

// mount is the place of one plugin in the apiRouter. It lives as long as the host; the generation is replaced
// whenever the plugin's part of the configuration changes.
type mount struct {
	host    *Host
	plugin  plugin.Plugin
	prefix  string // "/api/auth/coder"
	schema  *schema.Schema
	log     *zap.Logger
	current atomic.Pointer[generation]
}

// mountPlugins makes the apiRouter, with a mount for each plugin and no generation yet.
func (h *Host) mountPlugins() error {
	router := mux.NewRouter().SkipClean(true)
	router.NotFoundHandler = h.options.NotFound
	if router.NotFoundHandler == nil {
		router.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	}
	apiRouter := router.MatcherFunc(below(apiPrefix)).Subrouter()
	for _, p := range h.options.Plugins {
		own, err := schema.Compile(p.Source())
		if err != nil {
			return p.Named(err)
		}
		m := &mount{
			host: h, plugin: p, schema: own, prefix: apiPrefix + p.Path,
			log: h.root.With(zap.String("type", "plugin"), zap.String("plugin", p.ID)),
		}
		h.mounts = append(h.mounts, m)
		apiRouter.NewRoute().MatcherFunc(below(m.prefix)).Handler(httpserver.Contain(m.log, express.StripPrefix(m.prefix, m)))
	}
	h.apiRouter = router
	return nil
}

func below(prefix string) mux.MatcherFunc {
	return func(r *http.Request, _ *mux.RouteMatch) bool { return express.IsBelow(r, prefix) }
}

// owns reports whether a request is a plugin's, whatever the plugin answers.
func (h *Host) owns(r *http.Request) bool {
	return slices.ContainsFunc(h.mounts, func(m *mount) bool { return express.MayBeBelow(r, m.prefix) })
}

// createEnv returns the plugin's environment for a state.
func (m *mount) createEnv(s *state) plugin.Environment {
	return plugin.Environment{
		Logger: m.log, Config: m.schema.Scope(s.config), BaseURL: s.baseURL + m.prefix,
		Auth: new(backstageauth.Barrier), Discovery: &m.host.discovery,
		Production: m.host.production(), Lifecycle: new(plugin.Lifecycle),
		Memo: m.host.memo.Scope(m.plugin.ID), Listen: m.host.options.Listen,
	}
}

// reads returns the changed keys that the plugin reads, and "" if it makes a new generation.
func (m *mount) reads(last, s *state) []string {
	keys := m.schema.Changed(last.config, s.config)
	if last.baseURL != s.baseURL {
		keys = append(keys, "backend.baseUrl")
	}
	if g := m.current.Load(); g == nil || m.differs(g.made, s) {
		keys = append(keys, "")
	}
	return keys
}

// differs reports whether the plugin's part of the configuration, or its URL, has changed.
func (m *mount) differs(last, s *state) bool {
	return last.baseURL != s.baseURL || len(m.schema.Changed(last.config, s.config)) > 0
}

// refuses returns what the schema of a plugin that does not run, and does not have to, says against its part of config.
func (m *mount) refuses(config *appconfig.Config, policy plugin.BootPolicy) error {
	if m.current.Load() != nil || !policy.Permits(m.plugin.ID) {
		return nil
	}
	return m.schema.Check(m.schema.Scope(config))
}

// use makes a new generation if the plugin's part has changed, or if it has none. If New fails, the old generation
// stays in use.
func (m *mount) use(ctx context.Context, s *state) error {
	env, old := m.createEnv(s), m.current.Load()
	if old != nil && !m.differs(old.made, s) {
		return nil
	}
	if err := m.refuses(s.config, s.boot); err != nil {
		return m.plugin.Named(err)
	}
	ctx, end := context.WithCancel(ctx)
	m.host.cleaning.Add(1)
	context.AfterFunc(ctx, func() {
		defer m.host.cleaning.Done()
		m.cleanUp(env.Lifecycle)
	})
	router, err := m.createRouter(ctx, env)
	if err != nil {
		end()
		return m.plugin.Named(err)
	}
	next := &generation{handler: router, made: s, end: end}
	next.users.Store(1) // the mount
	m.current.Store(next)
	if old != nil {
		old.release()
	}
	return nil
}

// cleanUp runs the shutdown hooks of a generation. Only Host.Close waits for them.
func (m *mount) cleanUp(hooks *plugin.Lifecycle) {
	ctx, cancel := context.WithTimeout(context.Background(), hookGrace)
	defer cancel()
	if err := hooks.Shutdown(ctx); err != nil {
		m.log.Error("cleaning up failed", zap.Error(err))
	}
}

// createRouter calls New and turns a panic of it into an error, so that one plugin does not take the host down.
func (m *mount) createRouter(ctx context.Context, env plugin.Environment) (router http.Handler, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panicked while it was set up: %v", reason)
			logging.Recovered(m.log, "plugin panicked while it was set up", reason)
		}
	}()
	router, err = m.plugin.New(ctx, env)
	if err == nil && router == nil {
		err = errors.New("New returned no handler")
	}
	if err = errors.Join(err, env.Auth.Err()); err != nil {
		return nil, err
	}
	return env.Auth.Handler(m.host.auth, m.plugin.ID, router), nil
}

// ServeHTTP passes the request to the newest generation. If the plugin has not started, it answers as Backstage does, but
// does not wait first.
func (m *mount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := m.current.Load()
	if g == nil {
		apierror.Write(w, r, logging.URL(r.URL.RequestURI()), apierror.ServiceUnavailable("Service has not started up yet"))
		return
	}
	for !g.hold() {
		g = m.current.Load()
	}
	defer g.release()
	g.handler.ServeHTTP(w, r)
}

// check returns all problems of the plugins and the extensions, including conflicts between plugins.
func (o Options) check() error {
	var errs []error
	for i, p := range o.Plugins {
		errs = append(errs, p.Check())
		for _, other := range o.Plugins[:i] {
			a, b := p.Path+"/", other.Path+"/"
			if p.ID == other.ID || strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
				errs = append(errs, p.Named(fmt.Errorf("at %s it conflicts with plugin %s at %s", p.Path, other.ID, other.Path)))
			}
		}
	}
	for _, x := range o.Extensions {
		if x.Name == "" || x.Key == "" || x.Check == nil || x.Open == nil {
			errs = append(errs, fmt.Errorf("extension %q: expected Name, Key, Check and Open", x.Name))
		}
	}
	return errors.Join(errs...)
}
