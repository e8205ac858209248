// Package coder is the plugin that signs Backstage users in at Coder. Below /api/auth/coder it serves the routes
// of @coder/backstage-plugin-coder-backend (the callback of the legacy frontend) and those of Backstage's auth
// backend with @coder/plugin-auth-backend-module-coder-provider, with the same URLs, cookies and texts. README.md
// walks through a sign-in; docs/coder.md lists where it differs to be safer.
package coder

import (
	"context"
	"crypto/rand"
	_ "embed"
	"net/http"
	"slices"
	"sync"

	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/seal"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// Paths below /api, and below the mount.
const (
	mountPath    = "/auth/coder"
	callbackPath = "/oauth/callback"
	framePath    = "/handler/frame"
)

//go:embed schema.json
var configSchema []byte

// Plugin returns the Coder plugin.
func Plugin() plugin.Plugin {
	shared := &sharedState{key: []byte(rand.Text() + rand.Text())}
	return plugin.Plugin{
		ID: "coder", Path: mountPath, Schema: configSchema, Advise: adviseApp,
		New: func(ctx context.Context, env plugin.Environment) (http.Handler, error) {
			return newHandler(ctx, env, shared)
		},
	}
}

// sharedState is kept across reloads, so that a reload ends no sign-in and no session.
type sharedState struct {
	key      []byte   // a random session key, used if none is configured
	sessions sync.Map // *upstream.Sessions by deployment and client

	mu           sync.Mutex
	callbackURLs []string // that sign-ins under way may have begun with
}

// maxCallbackURLs is how many callback URLs are remembered.
const maxCallbackURLs = 100

// callbacks adds to the callback URLs that have been configured, and returns them.
func (s *sharedState) callbacks(urls ...string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, url := range urls {
		if !slices.Contains(s.callbackURLs, url) {
			s.callbackURLs = append(s.callbackURLs[max(0, len(s.callbackURLs)-maxCallbackURLs):], url)
		}
	}
	return slices.Clone(s.callbackURLs)
}

// sessionsOf returns the sessions of an environment's application, which environments and the legacy routes may share.
func (s *sharedState) sessionsOf(e *environment) *upstream.Sessions {
	sessions, _ := s.sessions.LoadOrStore(e.app.Deployment+"\n"+e.app.ClientID, &upstream.Sessions{})
	return sessions.(*upstream.Sessions)
}

// handler serves the plugin's routes with one configuration.
type handler struct {
	log          *zap.Logger
	settings     *settings
	ring         *seal.Ring
	legacy       *environment // for the callback and the bridge
	environments map[string]*environment
	callbackURLs []string // that flows may have been begun with
	router       *mux.Router
}

// newHandler builds the handler for one configuration.
func newHandler(ctx context.Context, env plugin.Environment, shared *sharedState) (http.Handler, error) {
	s, err := readSettings(env.Config, env.BaseURL)
	if err != nil {
		return nil, err
	}
	h := &handler{log: env.Logger, settings: s, environments: make(map[string]*environment)}
	if len(s.keys) == 0 {
		s.keys = [][]byte{shared.key}
		h.log.Warn("no session keys configured: sign-ins in progress and sealed cookies do not survive a restart or another " +
			"replica; set understudy.session.keys")
	}
	if h.ring, err = seal.New("coder sign-in", s.keys...); err != nil {
		return nil, err
	}
	for _, warning := range s.warnings {
		h.log.Warn(warning)
	}
	pool := upstream.NewPool(ctx, s.calls, h.log)
	h.legacy = &environment{app: s.legacy, Client: pool.Client(s.legacy.Application)}
	h.legacy.Sessions = shared.sessionsOf(h.legacy)
	h.callbackURLs = shared.callbacks(s.mount+callbackPath, s.mount+framePath, s.legacy.CallbackURL)
	h.log.Info("legacy callback and bridge configured", zap.String("config", s.legacy.key),
		zap.String("deployment", s.legacy.Deployment), zap.String("callbackUrl", s.legacy.CallbackURL),
		zap.Bool("bridged", s.bridged))
	for name, app := range s.byEnv {
		e := &environment{name: name, app: app, Client: pool.Client(app.Application)}
		e.Sessions = shared.sessionsOf(e)
		h.environments[name] = e
		h.callbackURLs = shared.callbacks(app.CallbackURL)
		h.log.Info("Configuring auth provider: coder", zap.String("env", name), zap.String("config", app.key),
			zap.String("deployment", app.Deployment), zap.String("callbackUrl", app.CallbackURL))
	}
	h.log.Info("routes configured", zap.String("baseUrl", s.mount), zap.Strings("routes", h.routes()))
	return h, nil
}
