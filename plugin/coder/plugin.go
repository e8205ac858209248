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

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/pkg/seal"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder/identity"
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
	shared := &sharedState{sessions: make(map[string]*upstream.Sessions)}
	return plugin.Plugin{
		ID: "coder", Path: mountPath, Schema: configSchema, Advise: adviseApp, Examine: examine,
		Public:   func(*appconfig.Config) bool { return true },
		Replaces: []string{"@coder/backstage-plugin-coder-backend", "@coder/plugin-auth-backend-module-coder-provider"}, Starter: starter,
		New: func(ctx context.Context, env plugin.Environment) (http.Handler, error) {
			return newHandler(ctx, env, shared)
		},
	}
}

// sharedState is kept across reloads, so that a reload ends no sign-in and no session. What is under way at Coder is in
// sessions. The rest is kept in the plugin's memo.
type sharedState struct {
	mu        sync.Mutex
	sessions  map[string]*upstream.Sessions // by deployment and client
	listeners identity.Listeners
}

// environment makes an environment. Environments and the legacy routes share the sessions of an application.
func (s *sharedState) environment(name string, app application, pool *upstream.Pool, store *memo.Store) (*environment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := app.Deployment + " " + app.ClientID
	sessions, err := s.sessions[key], error(nil)
	if sessions == nil {
		sessions, err = upstream.NewSessions(store, key)
		s.sessions[key] = sessions
	}
	return &environment{name: name, app: app, Client: pool.Client(app.Application), Sessions: sessions}, err
}

// randomKey returns the session key for a backend without a configured one.
func randomKey(store *memo.Store) (key []byte, err error) {
	kept, err := memo.Of(store, "session key", func() string { return rand.Text() + rand.Text() })
	if err == nil {
		kept.Do(func(text *string) { key = []byte(*text) })
	}
	return key, err
}

// maxCallbackURLs is how many callback URLs are remembered.
const maxCallbackURLs = 100

// callbacks adds to the callback URLs that sign-ins under way may have begun with, and returns them.
func callbacks(store *memo.Store, urls ...string) (all []string, err error) {
	kept, err := memo.Of(store, "callback URLs", func() []string { return nil })
	if err != nil {
		return nil, err
	}
	kept.Do(func(known *[]string) {
		for _, url := range urls {
			if !slices.Contains(*known, url) {
				*known = append((*known)[max(0, len(*known)-maxCallbackURLs):], url)
			}
		}
		all = slices.Clone(*known)
	})
	return all, nil
}

// handler serves the plugin's routes with one configuration.
type handler struct {
	log          *zap.Logger
	settings     *settings
	ring         *seal.Ring
	legacy       *environment // for the callback and the bridge
	environments map[string]*environment
	callbackURLs []string // that flows may have been begun with
	relay        *identity.Relay
	router       *mux.Router
}

// newHandler builds the handler for one configuration.
func newHandler(ctx context.Context, env plugin.Environment, shared *sharedState) (http.Handler, error) {
	s, err := readSettings(env.Config, env.BaseURL)
	if err != nil {
		return nil, err
	}
	env.Auth.Allow("/", backstageauth.Unauthenticated) // signing in is for everybody, and the routes have checks of their own
	h := &handler{log: env.Logger, settings: s, environments: make(map[string]*environment)}
	if len(s.keys) == 0 {
		key, err := randomKey(env.Memo)
		if err != nil {
			return nil, err
		}
		s.keys = [][]byte{key}
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
	if h.legacy, err = shared.environment("", s.legacy, pool, env.Memo); err != nil {
		return nil, err
	}
	urls := []string{s.mount + callbackPath, s.mount + framePath, s.legacy.CallbackURL}
	h.log.Info("legacy callback and bridge configured", zap.String("config", s.legacy.key),
		zap.String("deployment", s.legacy.Deployment), zap.String("callbackUrl", s.legacy.CallbackURL),
		zap.Bool("bridged", s.bridged))
	for name, app := range s.byEnv {
		if h.environments[name], err = shared.environment(name, app, pool, env.Memo); err != nil {
			return nil, err
		}
		urls = append(urls, app.CallbackURL)
		h.log.Info("Configuring auth provider: coder", zap.String("env", name), zap.String("config", app.key),
			zap.String("deployment", app.Deployment), zap.String("callbackUrl", app.CallbackURL))
	}
	if h.callbackURLs, err = callbacks(env.Memo, urls...); err != nil {
		return nil, err
	}
	if s.identity != nil {
		if h.relay, err = identity.New(ctx, env, s.identity, &shared.listeners); err != nil {
			return nil, err
		}
	}
	h.log.Info("routes configured", zap.String("baseUrl", s.mount), zap.Strings("routes", h.routes()))
	return h, nil
}
