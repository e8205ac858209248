package coder

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/origin"
	"github.com/understudy-host/understudy/plugin/coder/identity"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// thousandDays is how long Backstage keeps a refresh token if sessionDuration is not set.
const thousandDays = 1000 * 24 * time.Hour

// settings are the checked configuration.
type settings struct {
	mount        string         // the URL of this plugin for browsers: "https://backend.example.com/api/auth/coder"
	appOrigin    string         // the origin of app.baseUrl
	appURL       string         // app.baseUrl
	appTitle     string         // app.title
	hasPatterns  bool           // some of extraOrigins are patterns
	exactOrigins []string       // appOrigin, then the other allowed origins that are not patterns
	extraOrigins origin.Matcher // auth.experimentalExtraAllowedOrigins

	legacy           application            // for the callback and the bridge
	allowLegacyState bool                   // coder.oauth.allowLegacyState
	bridged          bool                   // the legacy frontend's accessUrl is this plugin's mount
	byEnv            map[string]application // for the provider routes
	mainEnv          string                 // auth.environment
	keys             [][]byte               // for sealing; empty if none is configured
	borrowed         bool                   // keys are Backstage's, which others have too
	identity         *identity.Options      // nil if no environment signs people in to Backstage
	requireBinding   bool                   // coder.oauth.requireBinding
	calls            upstream.Options       // limits of calls to Coder
	rotateAfter      time.Duration          // coder.oauth.rotateAfter; 0 is the default, and negative keeps no access token
	warnings         []string               // settings that are allowed but do not have the effect that one expects
}

// application is an OAuth2 application, and what belongs to it outside of Coder.
type application struct {
	upstream.Application
	key     string        // where it is configured, for the log
	scopes  []string      // additionalScopes
	session time.Duration // how long browsers keep the refresh token
	signIn  bool          // it has a signIn
}

// readSettings reads and checks the configuration of a plugin that browsers find at mount. Its error names
// everything that is wrong.
func readSettings(config *appconfig.Config, mount string) (*settings, error) {
	r := &reader{config: config}
	s := &settings{
		mount:   mount,
		byEnv:   make(map[string]application),
		mainEnv: r.string("auth.environment"),
		calls:   r.callLimits(),
	}
	r.sessionKeys(s)
	s.requireBinding = optional(r, r.config.GetOptionalBoolean, "coder.oauth.requireBinding", false)
	if s.rotateAfter = r.duration("coder.oauth.rotateAfter", 0); s.rotateAfter == 0 && r.has("coder.oauth.rotateAfter") {
		s.rotateAfter = -1
	}
	s.appURL = r.url("app.baseUrl", "the URL at which browsers find the app")
	s.appOrigin, _ = origin.Of(s.appURL)
	s.appTitle = cmp.Or(r.string("app.title"), "Backstage")
	const extraKey = "auth.experimentalExtraAllowedOrigins"
	extra := r.strings(extraKey)
	for i, pattern := range extra {
		if reason := origin.Never(pattern); reason != "" {
			s.warnings = append(s.warnings, fmt.Sprintf("entry %d of %s can match no origin: %s", i+1, extraKey, reason))
		}
	}
	var err error
	if s.extraOrigins, err = origin.Compile(extra...); err != nil {
		r.problem(extraKey, err)
	}
	// If the opener's origin is not known, a token is posted to exact origins only: postMessage takes no patterns. They
	// are those that a sign-in may come from, too.
	s.exactOrigins = []string{s.appOrigin}
	for _, pattern := range extra {
		o, err := origin.Of(pattern)
		if strings.ContainsAny(pattern, `*?[{\!`) {
			s.hasPatterns = true
		} else if err == nil && s.extraOrigins.Match(o) && !slices.Contains(s.exactOrigins, o) {
			s.exactOrigins = append(s.exactOrigins, o)
		}
	}
	// In this order: the legacy spelling falls back on the current one.
	r.environments(s)
	r.legacyApplication(s)
	s.shareCallbacks()
	r.identity(s)
	s.warnings = append(s.warnings, s.oddities()...)
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
	for _, env := range providers.Keys() {
		at := key + "." + env
		app := r.application(at)
		app.Deployment = r.deployment(at+".deploymentUrl", s.mount)
		app.session = r.duration(at+".sessionDuration", thousandDays)
		app.scopes = r.scopes(at + ".additionalScopes")
		app.CallbackURL = r.callbackURL(at, s)
		app.signIn = r.has(at + ".signIn")
		s.byEnv[env] = app
	}
	if len(s.byEnv) == 0 {
		r.problem(key, errors.New("expected at least one environment, such as auth.providers.coder.development"))
	}
}

// legacyKey is where the legacy spelling has its application.
const legacyKey = "coder.oauth"

// legacyApplication reads coder.oauth, the legacy spelling. Each spelling stands in for the other if that is
// missing, so that one configuration serves both frontends.
func (r *reader) legacyApplication(s *settings) {
	const key = legacyKey
	accessURL := strings.TrimRight(r.string("coder.deployment.accessUrl"), "/")
	s.bridged = accessURL != "" && strings.EqualFold(accessURL, s.mount)
	// A frontend that begins at the bridge comes back with a state of the bridge.
	s.allowLegacyState = optional(r, r.config.GetOptionalBoolean, key+".allowLegacyState", !s.bridged)
	// A half-filled coder.oauth is a mistake to report, not a reason to use the other spelling.
	if !r.has(key+".clientId") && !r.has(key+".clientSecret") && len(s.byEnv) > 0 {
		s.legacy = s.mainApplication()
		s.legacy.CallbackURL = cmp.Or(r.callbackURL(key, s), s.legacy.CallbackURL)
		return
	}
	s.legacy = r.application(key)
	s.legacy.CallbackURL, s.legacy.session = r.callbackURL(key, s), thousandDays
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
		if s.mainEnv == "" {
			s.mainEnv = "development" // what Backstage's frontend asks for if auth.environment is not set
		}
		s.byEnv[s.mainEnv] = app
	}
}

// callbackURL reads the callback URL of an application, which may be missing.
func (r *reader) callbackURL(key string, s *settings) string {
	key += ".callbackUrl"
	if r.string(key) == "" {
		return ""
	}
	value := r.url(key, "the callback URL that is registered in Coder")
	u, _ := url.Parse(value)
	if value == "" {
		return ""
	}
	if u.Fragment != "" {
		r.problem(key, errors.New("expected a URL without fragment"))
	}
	if mount, _ := url.Parse(s.mount); !strings.EqualFold(u.Host, mount.Host) { // the host has checked it
		s.warnings = append(s.warnings, key+" is on another host than backend.baseUrl: "+
			"the browser will not send the cookies of a sign-in there")
	}
	return value
}

// shareCallbacks completes the callback URLs. Coder registers one for an application: all its sign-ins use the one that is
// configured anywhere, otherwise the one of the provider routes, if they have the application, and that of the legacy
// route if not.
func (s *settings) shareCallbacks() {
	apps := []*application{&s.legacy}
	for _, env := range slices.Sorted(maps.Keys(s.byEnv)) {
		app := s.byEnv[env]
		apps = append(apps, &app)
		defer func() { s.byEnv[env] = app }()
	}
	configured := func(app *application) string {
		for _, other := range apps {
			if other.CallbackURL != "" && other.ClientID == app.ClientID && other.Deployment == app.Deployment {
				return other.CallbackURL
			}
		}
		return ""
	}
	for _, app := range apps {
		app.CallbackURL = cmp.Or(app.CallbackURL, configured(app))
	}
	for _, app := range apps[1:] {
		if app.CallbackURL == "" && app.key != legacyKey {
			app.CallbackURL = s.mount + framePath
		}
	}
	for _, app := range apps {
		app.CallbackURL = cmp.Or(app.CallbackURL, configured(app), s.mount+callbackPath)
	}
}

// adviseApp warns of a configuration that works here and not for an app with the frontend plugin, whose own schema wants
// the legacy spelling.
func adviseApp(config *appconfig.Config) []string {
	var missing []string
	for _, key := range []string{"coder.deployment.accessUrl", "coder.oauth.clientId", "coder.oauth.clientSecret"} {
		if has, _ := config.Has(key); !has {
			missing = append(missing, key)
		}
	}
	if has, _ := config.Has("auth.providers.coder"); !has || len(missing) == 0 {
		return nil
	}
	return []string{"auth.providers.coder is enough for this backend, but the schema of @coder/backstage-plugin-coder requires " +
		strings.Join(missing, ", ") + " too: an app with that package does not pass Backstage's own check without"}
}

// oddities returns warnings of what no single value is to blame for.
func (s *settings) oddities() (warnings []string) {
	envs := slices.Sorted(maps.Keys(s.byEnv))
	if wanted := cmp.Or(s.mainEnv, "development"); len(envs) > 0 && !slices.Contains(envs, wanted) {
		what := "auth.environment is not set, and the frontend then asks for 'development'"
		if s.mainEnv != "" {
			what = "the frontend asks for the environment that auth.environment names" // a value is not shown
		}
		warnings = append(warnings, what+", which is not among those of auth.providers.coder: "+strings.Join(envs, ", "))
	}
	// RFC 9700, section 4.4: a code of one server could be taken for one of the other.
	apps := []application{s.legacy}
	for _, env := range envs {
		apps = append(apps, s.byEnv[env])
	}
	for i, app := range apps {
		j := slices.IndexFunc(apps[:i], func(other application) bool {
			return other.CallbackURL == app.CallbackURL && other.Deployment != app.Deployment
		})
		if j >= 0 {
			warnings = append(warnings, fmt.Sprintf("%s and %s are at different Coder deployments and share a callback URL, by which one "+
				"deployment could pass for the other: give each a callbackUrl of its own", apps[j].key, app.key))
		}
	}
	return warnings
}

// mainApplication returns that of auth.environment, otherwise the first by name.
func (s *settings) mainApplication() application {
	if app, ok := s.byEnv[s.mainEnv]; ok {
		return app
	}
	return s.byEnv[slices.Min(slices.Collect(maps.Keys(s.byEnv)))]
}

// starter returns the keys of an application if a configuration has none.
func starter(config *appconfig.Config) string {
	for _, key := range []string{"coder.oauth.clientId", "auth.providers.coder"} {
		if has, err := config.Has(key); has || err != nil {
			return ""
		}
	}
	return `coder:
  deployment:
    accessUrl: ${CODER_URL}
  oauth: # the OAuth2 application that is registered in Coder
    clientId: ${CODER_CLIENT_ID}
    clientSecret: ${CODER_CLIENT_SECRET}
`
}
