package httpserver

import (
	"net/http"
	"strings"

	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/origin"
)

// CORS is backend.cors: who may read answers from a page on another origin. It answers as npm's cors does
// under Backstage, which rs/cors cannot be made to: a preflight is told all configured methods, whichever
// was asked for, and every OPTIONS of an allowed origin is a preflight.
type CORS struct {
	Enabled        bool           // backend.cors is there
	Any            bool           // no origin is configured: everybody, without credentials
	Origins        origin.Matcher // the origins that are allowed
	Methods        string         // "GET,HEAD,PUT,PATCH,POST,DELETE"
	AllowedHeaders string         // those that are allowed
	AnyHeaders     bool           // none are configured: those that are asked for
	ExposedHeaders string
	Credentials    bool
	MaxAge         string // seconds, or ""
	OptionsStatus  int    // the status of a preflight's answer
	Continue       bool   // pass preflights on to the routes
}

func cors(c CORS, next http.Handler) http.Handler {
	if !c.Enabled {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, header := strings.Join(r.Header["Origin"], ", "), w.Header() // two make none that is allowed
		switch {
		case c.Any:
			header.Set("Access-Control-Allow-Origin", "*")
		case c.Origins.Match(from):
			header.Set("Access-Control-Allow-Origin", from)
			express.AddVary(header, "Origin")
		default:
			if from != "" { // the Node backend leaves this out, and a shared cache may give its refusal to an allowed origin
				express.AddVary(header, "Origin")
			}
			next.ServeHTTP(w, r)
			return
		}
		if c.Credentials && !c.Any {
			header.Set("Access-Control-Allow-Credentials", "true")
		}
		if c.ExposedHeaders != "" {
			header.Set("Access-Control-Expose-Headers", c.ExposedHeaders)
		}
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Methods", c.Methods)
		allowed := c.AllowedHeaders
		if c.AnyHeaders {
			allowed = strings.Join(r.Header.Values("Access-Control-Request-Headers"), ", ")
			express.AddVary(header, "Access-Control-Request-Headers")
		}
		if allowed != "" {
			header.Set("Access-Control-Allow-Headers", allowed)
		}
		if c.MaxAge != "" {
			header.Set("Access-Control-Max-Age", c.MaxAge)
		}
		if c.Continue {
			next.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(c.OptionsStatus)
	})
}
