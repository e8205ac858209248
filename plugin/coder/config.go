package coder

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/origin"
)

// Client authentication methods of RFC 8414 that Coder knows.
const (
	postAuth  = "client_secret_post"
	basicAuth = "client_secret_basic"
)

// What errors expect under a key that is missing.
const (
	clientIDMeaning     = "the client ID of the OAuth2 application that is registered in Coder"
	clientSecretMeaning = "the client secret of the OAuth2 application that is registered in Coder" //nolint:gosec // not one
)

// thousandDays is how long Backstage keeps a refresh token when sessionDuration does not say.
const thousandDays = 1000 * 24 * time.Hour

// maxTimeout is the most that coder.oauth.timeout may be. A sign-in and a refresh make two calls, and the server
// gives an answer up after a minute: a refresh token that has been rotated by then would be lost.
const maxTimeout = 25 * time.Second

// settings are what the configuration says, read and checked once.
type settings struct {
	mount        string         // where browsers find this plugin: "https://backend.example.com/api/auth/coder"
	appOrigin    string         // the origin of app.baseUrl
	exactOrigins []string       // appOrigin, then the other allowed origins that are no patterns
	extraOrigins origin.Matcher // auth.experimentalExtraAllowedOrigins

	older       application            // what /oauth/callback and the bridge sign in with
	allowLegacy bool                   // coder.oauth.allowLegacyState
	bridged     bool                   // the older frontend's accessUrl is this plugin's mount
	byEnv       map[string]application // what the provider routes sign in with
	mainEnv     string                 // auth.environment
	secrets     [][]byte               // for sealing, empty for random ones
	timeout     time.Duration
	warnings    []string // what is allowed, but will not do what it looks like
}

// application is one OAuth2 application at one Coder deployment.
type application struct {
	key          string // where it is configured, for the log
	clientID     string
	clientSecret string
	deployment   string // without a trailing slash
	callbackURL  string
	authMethod   string // postAuth, basicAuth, or "" to go by Coder's metadata
	scopes       []string
	session      time.Duration
}

// allows tells whether an app at this origin may sign in here.
func (s *settings) allows(o string) bool {
	return o == s.appOrigin || s.extraOrigins.Match(o)
}

// readSettings reads and checks the configuration. Its error names all that is wrong with it.
func readSettings(config *appconfig.Config, mount string) (*settings, error) {
	r := &reader{config: config}
	s := &settings{
		mount:     mount,
		appOrigin: r.origin("app.baseUrl"),
		byEnv:     make(map[string]application),
		mainEnv:   r.text("auth.environment"),
		timeout:   r.duration("coder.oauth.timeout", 10*time.Second),
		secrets:   r.secrets(),
	}
	if s.timeout > maxTimeout {
		r.problem("coder.oauth.timeout", fmt.Errorf("got %s, expected at most %s", s.timeout, maxTimeout))
	}
	// Where the opener's origin is not known, a token can be offered to exact origins only: postMessage takes no
	// patterns.
	s.exactOrigins = []string{s.appOrigin}
	extra := r.texts("auth.experimentalExtraAllowedOrigins")
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
	// The order matters: the older spelling falls back on the newer one.
	r.environments(s)
	r.olderApplication(s)
	if len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	return s, nil
}

// environments reads auth.providers.coder, the newer spelling.
func (r *reader) environments(s *settings) {
	const key = "auth.providers.coder"
	providers, ok, err := r.config.GetOptionalConfig(key)
	if err != nil {
		r.problems = append(r.problems, err)
	}
	if !ok {
		return
	}
	for _, env := range providers.Keys() {
		at := key + "." + env
		app := application{
			key:          at,
			clientID:     r.required(at+".clientId", clientIDMeaning),
			clientSecret: r.required(at+".clientSecret", clientSecretMeaning),
			deployment:   r.deployment(at+".deploymentUrl", s.mount),
			callbackURL:  r.text(at + ".callbackUrl"),
			authMethod:   r.oneOf(at+".tokenEndpointAuthMethod", postAuth, basicAuth),
			session:      r.duration(at+".sessionDuration", thousandDays),
			scopes:       r.scopes(at + ".additionalScopes"),
		}
		if app.callbackURL == "" {
			app.callbackURL = s.mount + framePath
		} else if _, err := origin.Of(app.callbackURL); err != nil {
			r.problem(at+".callbackUrl", err)
		}
		// Not errors: the Node backend takes such a configuration, and the rest of it works here too.
		if has, _ := r.config.Has(at + ".signIn"); has {
			s.warnings = append(s.warnings, at+".signIn has no effect: no Backstage identity is issued here, "+
				"the session is for access to Coder")
		}
		if u, err := url.Parse(app.callbackURL); err == nil && !strings.EqualFold(u.Host, hostOf(s.mount)) {
			s.warnings = append(s.warnings, at+".callbackUrl is on another host than backend.baseUrl: "+
				"the browser will not bring the cookies of a sign-in there")
		}
		s.byEnv[env] = app
	}
	if len(s.byEnv) == 0 {
		r.problem(key, errors.New("expected at least one environment, such as auth.providers.coder.development"))
	}
}

// hostOf returns the host and port of a URL that has been checked elsewhere, or "".
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// olderApplication reads coder.oauth, the older spelling. Each spelling stands in for the other when that is
// missing, so that one configuration serves both generations of the frontend.
func (r *reader) olderApplication(s *settings) {
	accessURL := strings.TrimRight(r.text("coder.deployment.accessUrl"), "/")
	s.bridged = accessURL != "" && strings.EqualFold(accessURL, s.mount)
	// A frontend that begins at the bridge comes back with a state of ours, so no other needs to be taken.
	s.allowLegacy = r.boolean("coder.oauth.allowLegacyState", !s.bridged)
	// A half-filled coder.oauth is a mistake to report, not a reason to use the other spelling.
	given := slices.ContainsFunc([]string{"clientId", "clientSecret"}, func(name string) bool {
		has, _ := r.config.Has("coder.oauth." + name)
		return has
	})
	if !given && len(s.byEnv) > 0 {
		s.older = s.mainApplication()
		s.older.callbackURL = s.mount + callbackPath
		return
	}
	// The frontend reads accessUrl too. When that leads to the bridge, the deployment stands elsewhere.
	deploymentKey := "coder.deployment.accessUrl"
	if r.text("coder.oauth.deploymentUrl") != "" || s.bridged {
		deploymentKey = "coder.oauth.deploymentUrl"
	}
	s.older = application{
		key:          "coder.oauth",
		clientID:     r.required("coder.oauth.clientId", clientIDMeaning),
		clientSecret: r.required("coder.oauth.clientSecret", clientSecretMeaning),
		authMethod:   r.oneOf("coder.oauth.tokenEndpointAuthMethod", postAuth, basicAuth),
		callbackURL:  s.mount + callbackPath,
		session:      thousandDays,
	}
	if s.bridged && r.text(deploymentKey) == "" && len(s.byEnv) > 0 {
		s.older.deployment = s.mainApplication().deployment
	} else {
		s.older.deployment = r.deployment(deploymentKey, s.mount)
	}
	// The provider routes without a configuration of their own: one environment, the one that is asked for.
	if has, _ := r.config.Has("auth.providers.coder"); !has {
		app := s.older
		app.callbackURL = s.mount + framePath
		if s.mainEnv == "" {
			s.mainEnv = "development" // what Backstage's frontend asks for when auth.environment is not set
		}
		s.byEnv[s.mainEnv] = app
	}
}

// mainApplication is that of auth.environment, else the first by name.
func (s *settings) mainApplication() application {
	if app, ok := s.byEnv[s.mainEnv]; ok {
		return app
	}
	// auth.environment names none of them: take any, but the same one at each start.
	names := make([]string, 0, len(s.byEnv))
	for name := range s.byEnv {
		names = append(names, name)
	}
	return s.byEnv[slices.Min(names)]
}

// deployment reads the URL of a Coder deployment, which must not be this plugin itself.
func (r *reader) deployment(key, mount string) string {
	value := strings.TrimRight(r.required(key, "the URL of the Coder deployment"), "/")
	if value == "" {
		return ""
	}
	// The client secret goes there. A user in the URL would be a second secret, in a place that is logged.
	u, _ := url.Parse(value)
	switch _, err := origin.Of(value); {
	case err != nil:
		r.problem(key, err)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		r.problem(key, errors.New("expected the URL of a Coder deployment without user, query and fragment"))
	case strings.EqualFold(value, mount):
		r.problem(key, errors.New("this is the address of this plugin itself, expected that of the Coder deployment"))
	}
	return value
}
