package coder

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/logging"
)

// NotFound answers requests that no plugin serves, for a host that stands in for Backstage's auth backend with
// this one provider: as there, other providers are unknown, and anything else is a 404 without a body.
func NotFound(w http.ResponseWriter, r *http.Request) {
	const auth = "/api/auth"
	// Express compares paths as they were sent.
	if rest, ok := express.CutPrefixFold(r.URL.EscapedPath(), auth+"/"); ok {
		provider, _, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if plain, err := url.PathUnescape(provider); err == nil && plain != "" {
			apierror.Write(w, r, logging.URL(r.URL.RequestURI()[len(auth):]), apierror.NotFound("Unknown auth provider '"+plain+"'"))
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}
