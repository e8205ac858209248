package coder

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/origin"
)

// allows reports whether an app at this origin may sign in here.
func (s *settings) allows(o string) bool {
	return o == s.appOrigin || s.extraOrigins.Match(o)
}

// checkAllowed returns Backstage's error if an origin is not allowed.
func (s *settings) checkAllowed(o string) error {
	if !s.allows(o) {
		return apierror.NotAllowed("Origin '" + o + "' is not allowed")
	}
	return nil
}

// checkOrigin returns the allowed origin that an origin parameter names. invalid makes the error if it is not a URL.
func (s *settings) checkOrigin(raw string, invalid func(string) *apierror.Error) (string, error) {
	raw, o := strings.TrimSpace(raw), "null" // as in JavaScript, for schemes that have no origins
	u, err := url.Parse(raw)
	if err == nil && (u.Scheme == "" || u.Scheme == "http" || u.Scheme == "https") {
		o, err = origin.Of(raw)
	}
	if err != nil {
		return "", invalid("App origin is invalid, failed to parse")
	}
	return o, s.checkAllowed(o)
}

// checkRedirect refuses a redirectUrl that leads to an origin that is not allowed. A path is one of this backend.
func (s *settings) checkRedirect(raw string) error {
	// Browsers read a backslash as a slash and skip tabs and line breaks; Go does neither. A URL that the two could
	// read differently is refused.
	ambiguous := strings.ContainsAny(raw, "\\\t\r\n")
	if strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") && !ambiguous {
		return nil
	}
	u, err := url.Parse(raw)
	o, originErr := origin.OfASCII(raw)
	if err != nil || originErr != nil || u.User != nil || ambiguous {
		return apierror.Input("Redirect URL is invalid, failed to parse")
	}
	return s.checkAllowed(o)
}

// opener returns the origin of the app that opened the popup, or "" if the browser does not send it or it is not
// allowed.
func (s *settings) opener(r *http.Request) string {
	o, _ := origin.Of(r.Referer())
	if s.allows(o) {
		return o
	}
	return ""
}

// listeners returns the origins that the legacy frontend may have: the one that began the flow if it is known.
func (s *settings) listeners(f flow) []string {
	// Checked again, since the allowed origins may have changed during the flow.
	if f.origin != "" && s.allows(f.origin) {
		return []string{f.origin}
	}
	return s.exactOrigins
}
