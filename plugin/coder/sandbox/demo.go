package sandbox

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
)

// demoApp returns the handler of the demo app, which is one page. It reads Coder's API through the proxy of the backend.
func (s *Sandbox) demoApp(o Options) http.Handler {
	backend, _ := url.Parse(o.BackendURL) // Open has checked it
	r := mux.NewRouter()
	r.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writePage(o.Logger, w, http.StatusOK, "demo.html", map[string]any{
			"App": s.demoURL, "Backend": strings.TrimSuffix(o.BackendURL, "/"), "Coder": s.coderURL, "ClientID": o.Client.ID,
		})
	}).Methods("GET", "HEAD")
	assets(r, "demo.js", "session.js", "sandbox.css", "favicon.svg")
	return pageHeaders("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "+s.coderURL+
		"; connect-src "+backend.Scheme+"://"+backend.Host+
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", r)
}
