package proxy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/origin"
)

// pages are the origins of pages that may open WebSockets. Browsers let every page open one anywhere, without asking as they
// do for other requests, so that a foreign page could use what an endpoint adds to requests, or may reach.
type pages struct {
	any     bool     // backend.cors allows every origin
	own     []string // of the app, and of this backend
	allowed origin.Matcher
}

func readPages(config *appconfig.Config, baseURL string) (pages, error) {
	var p pages
	app, _, err := config.GetOptionalString("app.baseUrl")
	if err != nil {
		return p, err
	}
	for _, address := range []string{baseURL, app} {
		if o, err := origin.Of(address); err == nil {
			p.own = append(p.own, o)
		}
	}
	given, ok, err := config.GetOptional("backend.cors.origin")
	if err != nil || !ok || given == false {
		p.any, _ = config.Has("backend.cors")
		return p, err
	}
	patterns, isOne := []string{""}, false
	if patterns[0], isOne = given.(string); !isOne {
		if patterns, err = config.GetStringArray("backend.cors.origin"); err != nil {
			return p, err
		}
	}
	p.allowed, err = origin.Compile(patterns...)
	return p, err
}

// mayUpgrade reports whether the page that sent r may open a WebSocket. Programs other than browsers send no origin.
func (p pages) mayUpgrade(r *http.Request) bool {
	from := r.Header.Values("Origin")
	return len(from) == 0 || len(from) == 1 && (p.any || slices.Contains(p.own, from[0]) || p.allowed.Match(from[0]))
}

// isWebSocket reports whether r asks for a WebSocket. Other upgrades are not passed on: h2c would carry requests past all
// checks.
func isWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
