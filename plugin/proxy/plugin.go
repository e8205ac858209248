// Package proxy is Backstage's proxy plugin: below /api/proxy it passes requests on to the targets of proxy.endpoints, with
// the same keys, header lists, checks and answers as @backstage/plugin-proxy-backend. docs/proxy.md has every key, and lists
// where it differs to be safer.
package proxy

import (
	"context"
	_ "embed"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/backstageauth"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/plugin"
)

// prefix is where requests come in, as pathRewrite sees them.
const prefix = "/api/proxy"

//go:embed schema.json
var configSchema []byte

// Plugin returns the proxy plugin.
func Plugin() plugin.Plugin {
	return plugin.Plugin{ID: "proxy", Path: "/proxy", Schema: configSchema, New: newHandler}
}

// handler serves the endpoints of one configuration.
type handler struct {
	endpoints []*endpoint
	auth      *backstageauth.Barrier
	open      bool // backend.auth.dangerouslyDisableDefaultAuthPolicy
}

func newHandler(ctx context.Context, env plugin.Environment) (http.Handler, error) {
	s, err := readSettings(env.Config, env.BaseURL)
	if err != nil {
		return nil, err
	}
	for _, warning := range s.warnings {
		env.Logger.Warn(warning)
	}
	h := &handler{auth: env.Auth, open: s.open}
	// The handler asks for credentials itself: only it knows which endpoint a request is for, however its path is spelled.
	env.Auth.Allow("/", backstageauth.Unauthenticated)
	for _, o := range s.endpoints {
		e, err := newEndpoint(ctx, o, s, env.Logger)
		if err != nil {
			return nil, err
		}
		h.endpoints = append(h.endpoints, e)
		env.Logger.Info("proxy endpoint configured", zap.String("route", o.route), zap.String("target", o.origin()),
			zap.String("credentials", o.credentials))
	}
	return h, nil
}

// ServeHTTP passes the request to the first endpoint for its path that takes its method, as express does. Credentials are asked
// for before anything else, unless one of the endpoints for the path is open; then that one alone does without.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := belowMount(r)
	isKnown := h.open
	if !isKnown && !slices.ContainsFunc(h.endpoints, func(e *endpoint) bool { return e.isOpenFor(path) }) {
		if !h.knows(w, r) {
			return
		}
		isKnown = true
	}
	for _, e := range h.endpoints {
		rest, ok := e.match(path)
		switch {
		case !ok:
		case traverses(rest):
			express.Send(w, r, http.StatusBadRequest, express.Plain, []byte("Bad Request"))
			return
		case !e.takes(r.Method):
		case isKnown || e.credentials == credentialsNone || h.knows(w, r):
			e.serve(w, r, rest)
			return
		default:
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// knows reports whether r has credentials of a user or a service. Otherwise it answers r.
func (h *handler) knows(w http.ResponseWriter, r *http.Request) bool {
	caller, err := h.auth.Credentials(r)
	if err == nil {
		err = caller.Require(backstageauth.User, backstageauth.Service)
	}
	if err != nil {
		apierror.Write(w, r, logging.URL(r.URL.RequestURI()), err)
	}
	return err == nil
}
