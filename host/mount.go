package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/plugin"
)

// mount is the place of one plugin in the apiRouter. Its environment lives as long as the host; the handler
// is replaced whenever the plugin's part of the configuration changes.
type mount struct {
	plugin  plugin.Plugin
	schema  *schema.Schema
	env     plugin.Environment // but for Config and Discovery
	prefix  string             // "/api/auth/coder"
	current atomic.Pointer[generation]
}

// generation is one result of the plugin's New, with the configuration it was made of.
type generation struct {
	handler http.Handler
	config  []byte // what it was made of, as JSON
	users   atomic.Int64
	release context.CancelFunc
}

// build calls New when the plugin's part of config, or the backend's base URL, is not the one in use, and puts
// the new handler in the place of the old one. When New fails, the old handler stays. It tells whether there
// is a new handler.
func (m *mount) build(ctx context.Context, config *appconfig.Config, baseURL string) (bool, error) {
	env := m.env
	env.Config, env.Discovery = m.schema.Scope(config), plugin.NewDiscovery(baseURL)
	data, err := env.Config.Get("")
	if err != nil {
		return false, err
	}
	part, err := json.Marshal([]any{baseURL, data})
	if err != nil {
		return false, err
	}
	old := m.current.Load()
	if old != nil && bytes.Equal(old.config, part) {
		return false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	handler, err := construct(ctx, m.plugin, env)
	if err != nil {
		cancel()
		return false, err
	}
	next := &generation{handler: handler, config: part, release: cancel}
	next.users.Store(1) // the mount's own use
	m.current.Store(next)
	if old != nil {
		old.done()
	}
	return true, nil
}

// construct calls New and turns a panic of it into an error, so that one plugin does not take the host down.
func construct(ctx context.Context, p plugin.Plugin, env plugin.Environment) (handler http.Handler, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("plugin %s panicked while it was set up: %v", p.ID, reason)
			env.Logger.Error("plugin panicked while it was set up", zap.Any("panic", reason), zap.ByteString("stack", debug.Stack()))
		}
	}()
	handler, err = p.New(ctx, env)
	if err == nil && handler == nil {
		err = fmt.Errorf("plugin %s returned no handler", p.ID)
	}
	return handler, err
}

// use takes a hold on the generation; it fails when the last one has been let go.
func (g *generation) use() bool {
	for {
		n := g.users.Load()
		if n == 0 {
			return false
		}
		if g.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (g *generation) done() {
	if g.users.Add(-1) == 0 {
		g.release()
	}
}

// match is the mount's route. As in Express the case of a path does not count, and an encoded slash is not one.
func (m *mount) match(r *http.Request, _ *mux.RouteMatch) bool {
	path := r.URL.EscapedPath()
	return len(path) >= len(m.prefix) && strings.EqualFold(path[:len(m.prefix)], m.prefix) &&
		(len(path) == len(m.prefix) || path[len(m.prefix)] == '/')
}

// ServeHTTP hands the request to the plugin with the mount's prefix taken off its path.
func (m *mount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := m.current.Load()
	for !g.use() {
		g = m.current.Load()
	}
	defer g.done()
	recorder := httpserver.Record(w)
	defer m.recoverFrom(recorder, r)
	inner := *r
	location := *r.URL
	inner.URL = &location
	location.Path = below(m.prefix, r.URL.Path)
	if r.URL.RawPath != "" {
		location.RawPath = below(m.prefix, r.URL.RawPath)
	}
	g.handler.ServeHTTP(recorder, &inner)
}

func below(prefix, path string) string {
	if len(path) <= len(prefix) {
		return "/"
	}
	return path[len(prefix):]
}

// recoverFrom answers a request whose handler panicked with Backstage's 500, or breaks the answer off when it
// has begun. The panic is logged under the plugin's name.
func (m *mount) recoverFrom(w *httpserver.Recorder, r *http.Request) {
	reason := recover()
	if reason == nil {
		return
	}
	if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	m.env.Logger.Error("request handler panicked", zap.String("method", r.Method), zap.String("url", logging.URL(r.RequestURI)),
		zap.Any("panic", reason), zap.ByteString("stack", debug.Stack()))
	if w.Begun() {
		panic(http.ErrAbortHandler)
	}
	apierror.Write(w, r, logging.URL(r.URL.RequestURI()), errors.New("request handler panicked"))
}
