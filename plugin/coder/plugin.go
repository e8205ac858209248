// Package coder is the plugin that signs Backstage users in at Coder. It serves, below /api/auth/coder, the
// routes of @coder/backstage-plugin-coder-backend (an older frontend's callback) and those of Backstage's auth
// backend with @coder/plugin-auth-backend-module-coder-provider, with the same URLs, cookies and texts. What
// it does differently is safer; docs/coder.md lists it.
package coder

import (
	"context"
	"crypto/rand"
	_ "embed"
	"net/http"
	"strings"
	"sync"

	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/seal"
	"github.com/understudy-host/understudy/plugin"
)

// Paths below the mount, and the mount itself.
const (
	mountPath    = "/auth/coder"
	callbackPath = "/oauth/callback"
	framePath    = "/handler/frame"
)

//go:embed schema.json
var configSchema []byte

// Plugin returns the Coder plugin.
func Plugin() plugin.Plugin {
	lasting := &lasting{random: make([]byte, 32), sessions: make(map[string]*sessions)}
	_, _ = rand.Read(lasting.random) // never fails: crypto/rand ends the program instead
	return plugin.Plugin{
		ID: "coder", Path: mountPath, Schema: configSchema,
		New: func(ctx context.Context, env plugin.Environment) (http.Handler, error) {
			return newHandler(ctx, env, lasting)
		},
	}
}

// lasting is what outlives reloads, so that they end no sign-in and no session.
type lasting struct {
	random   []byte // stands in for session keys where none are configured
	mu       sync.Mutex
	sessions map[string]*sessions // of the environments, by what their tokens are bound to
}

// of returns the sessions of an environment.
func (l *lasting) of(e *environment) *sessions {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[e.binding()] == nil {
		l.sessions[e.binding()] = &sessions{}
	}
	return l.sessions[e.binding()]
}

// handler serves the plugin's routes with one configuration.
type handler struct {
	log          *zap.Logger
	settings     *settings
	ring         *seal.Ring
	older        *client
	environments map[string]*environment
	router       *mux.Router
	table        []string // the routes, for the log
}

// newHandler builds the router for one configuration.
func newHandler(ctx context.Context, env plugin.Environment, l *lasting) (http.Handler, error) {
	s, err := readSettings(env.Config, env.BaseURL)
	if err != nil {
		return nil, err
	}
	h := &handler{log: env.Logger, settings: s, environments: make(map[string]*environment)}
	if len(s.secrets) == 0 {
		s.secrets = [][]byte{l.random}
		h.log.Warn("no session keys configured: sign-ins under way are lost at a restart and not shared between " +
			"replicas; set understudy.session.keys")
	}
	if h.ring, err = seal.New("coder sign-in", s.secrets...); err != nil {
		return nil, err
	}
	for _, warning := range s.warnings {
		h.log.Warn(warning)
	}
	shared, closeIdle := newHTTPClient()
	// Connections of a configuration that has been replaced are let go with it.
	context.AfterFunc(ctx, closeIdle)
	// Environments at one deployment share what is known of its endpoints.
	documents := make(map[string]*metadata)
	newClient := func(app application) *client {
		if documents[app.deployment] == nil {
			documents[app.deployment] = newMetadata(ctx, app.deployment, shared, h.log)
			documents[app.deployment].endpoints() // has them looked up before the first sign-in
		}
		return &client{app: app, http: shared, timeout: s.timeout, metadata: documents[app.deployment]}
	}
	h.older = newClient(s.older)
	h.log.Info("older callback and bridge configured", zap.String("config", s.older.key),
		zap.String("deployment", s.older.deployment), zap.String("callbackUrl", s.older.callbackURL),
		zap.Bool("bridged", s.bridged))
	for name, app := range s.byEnv {
		e := &environment{name: name, client: newClient(app)}
		e.sessions = l.of(e)
		h.environments[name] = e
		h.log.Info("Configuring auth provider: coder", zap.String("env", name), zap.String("config", app.key),
			zap.String("deployment", app.deployment), zap.String("callbackUrl", app.callbackURL))
	}
	h.routes()
	h.log.Info("routes below " + s.mount + ": " + strings.Join(h.table, ", "))
	return h, nil
}

// routes is the plugin's table of routes.
func (h *handler) routes() {
	// SkipClean: mux would otherwise answer odd paths with redirects, which express does not.
	h.router = mux.NewRouter().SkipClean(true)
	h.route("/health", h.health, http.MethodGet)
	h.route(callbackPath, h.callback, http.MethodGet)
	h.route("/oauth2/authorize", h.authorize, http.MethodGet)
	h.route("/start", h.start, http.MethodGet)
	h.route(framePath, h.frame, http.MethodGet, http.MethodPost)
	h.route("/refresh", h.refresh, http.MethodGet, http.MethodPost)
	h.route("/logout", h.logout, http.MethodPost)
	h.router.NotFoundHandler = http.HandlerFunc(h.notFound)
	h.router.MethodNotAllowedHandler = h.router.NotFoundHandler
}

// route adds a route. As in express, GET brings HEAD along, and OPTIONS tells the methods.
func (h *handler) route(path string, serve http.HandlerFunc, methods ...string) {
	allow := methods
	if methods[0] == http.MethodGet {
		allow = append([]string{http.MethodGet, http.MethodHead}, methods[1:]...)
	}
	h.router.HandleFunc(path, serve).Methods(allow...)
	list := strings.Join(allow, ",")
	h.table = append(h.table, strings.Join(methods, "|")+" "+path)
	h.router.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", list)
		w.Header().Set("Content-Type", htmlUTF8)
		_, _ = w.Write([]byte(list))
	}).Methods(http.MethodOptions)
}

// ServeHTTP routes as express does: letter case, one trailing slash and one doubled slash after the mount do
// not count, and escaped characters do not match.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.settings.bridged && h.deploymentLink(w, r) {
		return
	}
	// Before routing, as Backstage does: a broken body is a 400 on unknown routes too.
	if err := readBody(r); err != nil {
		h.fail(w, r, err)
		return
	}
	path := strings.ToLower(r.URL.EscapedPath())
	if strings.HasPrefix(path, "//") {
		path = path[1:]
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	// A shallow copy: the request belongs to the host, which logs it afterwards.
	routed := r.WithContext(r.Context())
	at := *r.URL
	at.Path, at.RawPath = path, ""
	routed.URL = &at
	h.router.ServeHTTP(w, routed)
}

// health is the older plugin's probe: the process is there. It says nothing about Coder.
func (h *handler) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write([]byte(`{"status":"ok"}`))
}

// notFound answers as Backstage's auth backend does. The published older plugin has an empty 404 instead, and
// one server cannot do both.
func (h *handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.fail(w, r, apierror.NotFound("Unknown auth provider 'coder'"))
}
