package sandbox

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
	"go.uber.org/zap"
)

// demoApp returns the handler of the demo app: its page, and Coder's API below /coder-api.
func (s *Sandbox) demoApp(o Options) http.Handler {
	backend := strings.TrimSuffix(o.BackendURL, "/")
	api := strings.TrimSuffix(o.APIBaseURL, "/")
	connect := "'self' " + origin(backend)
	if api == "" {
		api = s.demoURL + "/coder-api"
	} else if origin(api) != origin(backend) {
		connect += " " + origin(api)
	}
	r := mux.NewRouter()
	r.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writePage(o.Logger, w, http.StatusOK, "demo.html", map[string]any{
			"App": s.demoURL, "Backend": backend, "Coder": s.coderURL, "API": api, "ClientID": o.Client.ID,
		})
	}).Methods("GET", "HEAD")
	assets(r, "demo.js", "session.js", "sandbox.css", "favicon.svg")
	r.PathPrefix("/coder-api/v2/").Handler(s.apiProxy(o.Logger)).Methods("GET")
	return pageHeaders("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "+s.coderURL+
		"; connect-src "+connect+"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", r)
}

// apiProxy passes requests for /coder-api/ on to the stand-in's /api/, of their headers only those that the
// API reads, as Backstage's proxy does.
func (s *Sandbox) apiProxy(logger *zap.Logger) http.Handler {
	target, _ := url.Parse(s.coderURL) // made by listen
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
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			logger.Warn("sandbox: the stand-in does not answer", zap.Error(err))
			writeMessage(w, http.StatusBadGateway, "The Coder stand-in does not answer.", "")
		},
		ErrorLog: zap.NewStdLog(logger),
	}
}

// origin is the scheme and host of rawURL, which normalize has checked.
func origin(rawURL string) string {
	u, _ := url.Parse(rawURL)
	return u.Scheme + "://" + u.Host
}
