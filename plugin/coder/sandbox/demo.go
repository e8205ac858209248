package sandbox

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/logging"
)

// demoApp returns the handler of the demo app: its page, and Coder's API below /coder-api.
func (s *Sandbox) demoApp(o Options) http.Handler {
	backend, _ := url.Parse(o.BackendURL) // Open has checked it
	r := mux.NewRouter()
	r.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writePage(o.Logger, w, http.StatusOK, "demo.html", map[string]any{
			"App": s.demoURL, "Backend": strings.TrimSuffix(o.BackendURL, "/"), "Coder": s.coderURL, "ClientID": o.Client.ID,
		})
	}).Methods("GET", "HEAD")
	assets(r, "demo.js", "session.js", "sandbox.css", "favicon.svg")
	r.PathPrefix("/coder-api/v2/").Handler(s.apiProxy(o.Logger)).Methods("GET")
	return pageHeaders("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "+s.coderURL+
		"; connect-src 'self' "+backend.Scheme+"://"+backend.Host+
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", r)
}

// apiProxy passes requests for /coder-api/ on to the stand-in's /api/. Like Backstage's proxy it passes on only the
// headers that the API reads.
func (s *Sandbox) apiProxy(logger *zap.Logger) http.Handler {
	target, _ := url.Parse(s.coderURL) // listen made it
	return &httputil.ReverseProxy{
		Transport: &s.proxies,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.URL.Path = "/api" + strings.TrimPrefix(r.In.URL.Path, "/coder-api")
			r.Out.URL.RawPath = ""
			r.Out.Header = http.Header{
				"Accept": {"application/json"}, "Authorization": r.In.Header.Values("Authorization"),
			}
		},
		ErrorLog: logging.ServerErrors(logger),
	}
}
