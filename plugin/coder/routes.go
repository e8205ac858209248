package coder

import (
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
)

// request is a request whose query, body and cookies have been parsed, each once.
type request struct {
	*http.Request
	query   express.Query
	body    express.Body
	cookies cookies
	began   time.Time
}

// handlerFunc serves one route. An error is answered with Backstage's JSON; nothing may have been written then.
type handlerFunc func(w http.ResponseWriter, r *request) error

// routes builds the router and returns the list of its routes.
func (h *handler) routes() []string {
	// SkipClean: mux would otherwise redirect odd paths, which express does not.
	h.router = mux.NewRouter().SkipClean(true)
	h.router.NotFoundHandler = h.parsed(notFound)
	h.router.MethodNotAllowedHandler = h.router.NotFoundHandler
	return []string{
		h.route("/health", health, http.MethodGet),
		h.route(callbackPath, h.callback(true), http.MethodGet),
		h.route("/oauth2/authorize", h.authorize, http.MethodGet),
		h.route("/start", h.start, http.MethodGet),
		h.route(framePath, h.callback(false), http.MethodGet, http.MethodPost),
		h.route("/refresh", h.refresh, http.MethodGet, http.MethodPost),
		h.route("/logout", h.logout, http.MethodPost),
	}
}

// route adds a route and returns its name for the log. As in express, a route for GET serves HEAD too, and
// OPTIONS lists the methods.
func (h *handler) route(path string, serve handlerFunc, methods ...string) string {
	allow := methods
	if methods[0] == http.MethodGet {
		allow = append([]string{http.MethodGet, http.MethodHead}, methods[1:]...)
	}
	h.router.HandleFunc(path, h.parsed(serve)).Methods(allow...)
	list := strings.Join(allow, ",")
	h.router.HandleFunc(path, h.parsed(func(w http.ResponseWriter, r *request) error {
		w.Header().Set("Allow", list)
		express.Send(w, r.Request, http.StatusOK, express.HTML, []byte(list))
		return nil
	})).Methods(http.MethodOptions)
	return strings.Join(methods, "|") + " " + path
}

// parsed returns a handler that parses the request for serve. As in Backstage, a body that cannot be read is an
// error on every route, unknown ones included.
func (h *handler) parsed(serve handlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		body, err := express.ReadBody(r)
		if err == nil {
			err = serve(w, &request{r, express.ParseQuery(r.URL.RawQuery), body, express.ParseCookies(r.Header["Cookie"]), began})
		}
		if err != nil {
			h.fail(w, r, err)
		}
	}
}

// ServeHTTP routes as express does: letter case, one trailing slash and one doubled slash after the mount do not
// count, and escaped characters do not match.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.settings.bridged && h.deploymentLink(w, r) {
		return
	}
	path := strings.ToLower(r.URL.EscapedPath())
	if strings.HasPrefix(path, "//") {
		path = path[1:]
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	// A shallow copy: the host logs the request afterwards.
	routed := r.WithContext(r.Context())
	at := *r.URL
	at.Path, at.RawPath = path, ""
	routed.URL = &at
	h.router.ServeHTTP(w, routed)
}

// health is the legacy plugin's probe. It reports that the process is there, and nothing about Coder.
func health(w http.ResponseWriter, r *request) error {
	express.Send(w, r.Request, http.StatusOK, express.JSON, []byte(`{"status":"ok"}`))
	return nil
}

// notFound answers as Backstage's auth backend does. The published legacy plugin has an empty 404 instead; one
// server cannot do both.
func notFound(http.ResponseWriter, *request) error {
	return apierror.NotFound("Unknown auth provider 'coder'")
}
