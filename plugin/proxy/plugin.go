// Package proxy is Backstage's proxy plugin: below /api/proxy it passes requests on to the targets of proxy.endpoints, with
// the same keys, header lists, checks and answers as @backstage/plugin-proxy-backend. docs/proxy.md has every key, and lists
// where it differs to be safer.
package proxy

import (
	"cmp"
	"context"
	_ "embed"
	"net/http"

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
	h := &handler{open: s.open}
	for _, o := range s.endpoints {
		e, err := newEndpoint(ctx, o, s, env.Logger)
		if err != nil {
			return nil, err
		}
		h.endpoints = append(h.endpoints, e)
		if o.credentials == credentialsNone {
			env.Auth.Allow(cmp.Or(o.route, "/"), backstageauth.Unauthenticated)
		}
		env.Logger.Info("proxy endpoint configured", zap.String("route", o.route), zap.String("target", o.origin()),
			zap.String("credentials", o.credentials))
	}
	return h, nil
}

// ServeHTTP passes the request to the first endpoint for its path that takes its method, as express does.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, known := belowMount(r), false
	for _, e := range h.endpoints {
		rest, ok := e.match(path)
		known = known || ok
		switch {
		case !ok:
		case traverses(rest):
			express.Send(w, r, http.StatusBadRequest, express.Plain, []byte("Bad Request"))
			return
		case !e.takes(r.Method):
		case e.credentials != credentialsNone && h.isStranger(r): // the path may be below one that is open
			refuseStranger(w, r)
			return
		default:
			e.serve(w, r, rest)
			return
		}
	}
	if !known && h.isStranger(r) {
		refuseStranger(w, r)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

// isStranger reports whether nobody knows who sent r, and that matters.
func (h *handler) isStranger(r *http.Request) bool {
	return !h.open && backstageauth.Caller(r.Context()).Kind == backstageauth.None
}

func refuseStranger(w http.ResponseWriter, r *http.Request) {
	apierror.Write(w, r, logging.URL(r.URL.RequestURI()), apierror.Authentication("Missing credentials"))
}
