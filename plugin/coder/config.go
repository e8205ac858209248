package coder

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/origin"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// thousandDays is how long Backstage keeps a refresh token if sessionDuration is not set.
const thousandDays = 1000 * 24 * time.Hour

// maxTimeout is the largest coder.oauth.timeout. A sign-in and a refresh make two calls, and the server gives up
// after a minute: a refresh token that has been rotated by then would be lost.
const maxTimeout = 25 * time.Second

// settings are the checked configuration.
type settings struct {
	mount        string         // the URL of this plugin for browsers: "https://backend.example.com/api/auth/coder"
	appOrigin    string         // the origin of app.baseUrl
	exactOrigins []string       // appOrigin, then the other allowed origins that are not patterns
	extraOrigins origin.Matcher // auth.experimentalExtraAllowedOrigins

	legacy           application            // for the callback and the bridge
	allowLegacyState bool                   // coder.oauth.allowLegacyState
	bridged          bool                   // the legacy frontend's accessUrl is this plugin's mount
	byEnv            map[string]application // for the provider routes
	mainEnv          string                 // auth.environment
	keys             [][]byte               // for sealing; empty if none is configured
	timeout          time.Duration
	warnings         []string // settings that are allowed but do not have the effect that one expects
}

// application is an OAuth2 application, and what belongs to it outside of Coder.
type application struct {
	upstream.Application
	key     string        // where it is configured, for the log
	scopes  []string      // additionalScopes
	session time.Duration // how long browsers keep the refresh token
}

// readSettings reads and checks the configuration of a plugin that browsers find at mount. Its error names
// everything that is wrong.
func readSettings(config *appconfig.Config, mount string) (*settings, error) {
	r := &reader{config: config}
	s := &settings{
		mount:   mount,
		byEnv:   make(map[string]application),
		mainEnv: r.string("auth.environment"),
		timeout: r.duration("coder.oauth.timeout", 10*time.Second),
		keys:    r.sessionKeys(),
	}
	s.appOrigin, _ = origin.Of(r.url("app.baseUrl", "the URL at which browsers find the app"))
	if s.timeout > maxTimeout {
		r.problem("coder.oauth.timeout", fmt.Errorf("got %s, expected at most %s", s.timeout, maxTimeout))
	}
	// If the opener's origin is not known, a token is posted to exact origins only: postMessage takes no patterns.
	s.exactOrigins = []string{s.appOrigin}
	extra := r.strings("auth.experimentalExtraAllowedOrigins")
	for _, pattern := range extra {
		o, err := origin.Of(pattern)
		if err == nil && !strings.ContainsAny(pattern, `*?[{\!`) && !slices.Contains(s.exactOrigins, o) {
			s.exactOrigins = append(s.exactOrigins, o)
		}
	}
	var err error
	if s.extraOrigins, err = origin.Compile(extra...); err != nil {
		r.problem("auth.experimentalExtraAllowedOrigins", err)
	}
	// In this order: the legacy spelling falls back on the current one.
	r.environments(s)
	r.legacyApplication(s)
	return s, errors.Join(r.problems...)
}

// environments reads auth.providers.coder, the current spelling.
func (r *reader) environments(s *settings) {
	const key = "auth.providers.coder"
	providers, ok, err := r.config.GetOptionalConfig(key)
	r.problems = append(r.problems, err)
	if !ok {
		return
	}
	mount, _ := url.Parse(s.mount) // checked by the host
	for _, env := range providers.Keys() {
		at := key + "." + env
		app := r.application(at)
		app.Deployment = r.deployment(at+".deploymentUrl", s.mount)
		app.session = r.duration(at+".sessionDuration", thousandDays)
		app.scopes = r.scopes(at + ".additionalScopes")
		if app.CallbackURL = r.string(at + ".callbackUrl"); app.CallbackURL == "" {
			app.CallbackURL = s.mount + framePath
		} else if _, err := origin.Of(app.CallbackURL); err != nil {
			r.problem(at+".callbackUrl", err)
		}
		// Not errors: the Node backend takes such a configuration, and the rest of it works here too.
		if r.has(at + ".signIn") {
			s.warnings = append(s.warnings, at+".signIn has no effect: no Backstage identity is issued here, "+
				"the session is for access to Coder")
		}
		if u, err := url.Parse(app.CallbackURL); err == nil && !strings.EqualFold(u.Host, mount.Host) {
			s.warnings = append(s.warnings, at+".callbackUrl is on another host than backend.baseUrl: "+
				"the browser will not send the cookies of a sign-in there")
		}
		s.byEnv[env] = app
	}
	if len(s.byEnv) == 0 {
		r.problem(key, errors.New("expected at least one environment, such as auth.providers.coder.development"))
	}
}

// legacyApplication reads coder.oauth, the legacy spelling. Each spelling stands in for the other if that is
// missing, so that one configuration serves both frontends.
func (r *reader) legacyApplication(s *settings) {
	const key = "coder.oauth"
	accessURL := strings.TrimRight(r.string("coder.deployment.accessUrl"), "/")
	s.bridged = accessURL != "" && strings.EqualFold(accessURL, s.mount)
	// A frontend that begins at the bridge comes back with a state of the bridge.
	s.allowLegacyState = optional(r, r.config.GetOptionalBoolean, key+".allowLegacyState", !s.bridged)
	// A half-filled coder.oauth is a mistake to report, not a reason to use the other spelling.
	if !r.has(key+".clientId") && !r.has(key+".clientSecret") && len(s.byEnv) > 0 {
		s.legacy = s.mainApplication()
		s.legacy.CallbackURL = s.mount + callbackPath
		return
	}
	s.legacy = r.application(key)
	s.legacy.CallbackURL, s.legacy.session = s.mount+callbackPath, thousandDays
	// The frontend reads accessUrl too. If that leads to the bridge, deploymentUrl has the deployment.
	deploymentKey := "coder.deployment.accessUrl"
	if s.bridged || r.string(key+".deploymentUrl") != "" {
		deploymentKey = key + ".deploymentUrl"
	}
	if s.bridged && r.string(deploymentKey) == "" && len(s.byEnv) > 0 {
		s.legacy.Deployment = s.mainApplication().Deployment
	} else {
		s.legacy.Deployment = r.deployment(deploymentKey, s.mount)
	}
	// Without a configuration of their own, the provider routes get one environment.
	if !r.has("auth.providers.coder") {
		app := s.legacy
		app.CallbackURL = s.mount + framePath
		if s.mainEnv == "" {
			s.mainEnv = "development" // what Backstage's frontend asks for if auth.environment is not set
		}
		s.byEnv[s.mainEnv] = app
	}
}

// mainApplication returns that of auth.environment, otherwise the first by name.
func (s *settings) mainApplication() application {
	if app, ok := s.byEnv[s.mainEnv]; ok {
		return app
	}
	return s.byEnv[slices.Min(slices.Collect(maps.Keys(s.byEnv)))]
}
