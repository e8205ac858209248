package sandbox

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/gorilla/mux"
	"go.uber.org/zap"
)

//go:embed web api
var files embed.FS

var pages = template.Must(template.ParseFS(files, "web/*.html"))

// signedOut is Coder's message for a request without a valid token.
const signedOut = "You are signed out or your session has expired. Please sign in again to continue."

// appName is the name of the one registered application.
const appName = "Backstage"

// standIn is the Coder stand-in.
type standIn struct {
	Options
	url   string
	store *store
}

// newStandIn returns the handler of a stand-in with the access URL url.
func newStandIn(o Options, database *store, url, demoURL string) http.Handler {
	c := &standIn{o, url, database}
	r := mux.NewRouter()
	r.NotFoundHandler = http.HandlerFunc(c.notFound)
	r.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writePage(o.Logger, w, http.StatusOK, "coder.html", map[string]any{"Demo": demoURL, "App": appName})
	}).Methods("GET", "HEAD")
	assets(r, "sandbox.css", "favicon.svg", "avatars/dana.svg", "avatars/lin.svg", "avatars/sam.svg")

	// CrossOriginProtection keeps another site from pressing Allow for the user.
	r.HandleFunc("/oauth2/authorize", c.consent).Methods("GET")
	r.Handle("/oauth2/authorize", http.NewCrossOriginProtection().Handler(http.HandlerFunc(c.decide))).Methods("POST")
	r.HandleFunc("/oauth2/tokens", c.token).Methods("POST")
	r.HandleFunc("/oauth2/revoke", c.revoke).Methods("POST")
	r.HandleFunc("/.well-known/oauth-authorization-server", c.metadata).Methods("GET", "HEAD")

	r.HandleFunc("/api/v2/users/me", c.authenticated(c.me)).Methods("GET", "HEAD")
	r.HandleFunc("/api/v2/users/me/login-type", c.authenticated(c.loginType)).Methods("GET", "HEAD")
	r.HandleFunc("/api/v2/workspacebuilds/{build}/parameters", c.authenticated(c.buildParameters)).Methods("GET", "HEAD")
	r.HandleFunc("/api/v2/workspaces", c.authenticated(c.workspaces)).Methods("GET", "HEAD")
	return pageHeaders("default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "+
		"frame-ancestors 'none'", r)
}

// authenticated calls next with the user of the request's access token. Without a valid one it answers 401 as Coder.
func (c *standIn) authenticated(next func(http.ResponseWriter, *http.Request, user)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Coder-Session-Token")
		if scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " "); token == "" &&
			strings.EqualFold(scheme, "Bearer") {
			token = value
		}
		g, known := c.store.session(token)
		detail, challenge := "", `Bearer realm="coder"`
		switch {
		case known && !c.store.now().After(g.Expires):
			next(w, r, g.User)
			return
		case token == "":
			detail = `Cookie "coder_session_token" or query parameter must be provided.`
		case known:
			detail = fmt.Sprintf("API key expired at %q.", g.Expires.String())
			challenge += `, error="invalid_token", error_description="The access token has expired"`
		default:
			detail = "API key is invalid."
			challenge += `, error="invalid_token", error_description="The access token is invalid"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		writeMessage(w, http.StatusUnauthorized, signedOut, detail)
	}
}

// metadata answers with Coder's RFC 8414 document.
func (c *standIn) metadata(w http.ResponseWriter, _ *http.Request) {
	writeDocument(w, "metadata.tmpl", map[string]any{"URL": c.url, "Scopes": scopes})
}

func (c *standIn) notFound(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeMessage(w, http.StatusNotFound, "Route not found.", "")
		return
	}
	c.fail(w, http.StatusNotFound, "Page not found", "The sandbox has no page at this address.")
}

// fail shows an error page. The warnings are single problems, if there are several.
func (c *standIn) fail(w http.ResponseWriter, status int, title, text string, warnings ...string) {
	writePage(c.Logger, w, status, "error.html", map[string]any{
		"Status": status, "Title": title, "Text": text, "Warnings": warnings, "URL": c.url,
	})
}

// writePage answers with one of the pages. It sends nothing if the page cannot be rendered completely.
func writePage(logger *zap.Logger, w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, data); err != nil {
		logger.Error("sandbox: page cannot be rendered", zap.String("page", name), zap.Error(err))
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// pageHeaders sets the security headers of all answers. The referrer policy is same-origin, because with no-referrer
// browsers send `Origin: null` when a form is posted. There is no form-action: browsers apply it also to the redirects
// after Allow, which lead to the backend and from there to any allowed app.
func pageHeaders(csp string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// assets serves files of the folder web by their names.
func assets(r *mux.Router, names ...string) {
	for _, name := range names {
		r.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, "web/"+name)
		}).Methods("GET", "HEAD")
	}
}

// writeMessage answers with an error of Coder's API.
func writeMessage(w http.ResponseWriter, status int, message, detail string) {
	writeJSON(w, status, struct {
		Message string `json:"message"`
		Detail  string `json:"detail,omitempty"`
	}{message, detail})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only when the client has gone
}
