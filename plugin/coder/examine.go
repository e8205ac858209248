package coder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
	"golang.org/x/oauth2"

	"github.com/understudy-host/understudy/pkg/httpclient"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// How far two clocks may be apart, and how long before its end a certificate is worth a word.
const (
	maxSkew   = time.Minute
	soonEnded = 14 * 24 * time.Hour
)

// examiner reports what doctor finds.
type examiner struct {
	settings *settings
	report   func(plugin.Finding)
}

func (x examiner) say(result plugin.Result, of, format string, args ...any) {
	x.report(plugin.Finding{Result: result, Of: of, Text: fmt.Sprintf(format, args...)})
}

// examine looks at what people find out only by a sign-in that fails.
func examine(ctx context.Context, env plugin.Environment, report func(plugin.Finding)) {
	s, err := readSettings(env.Config, env.BaseURL)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			report(plugin.Finding{Result: plugin.Wrong, Of: "the configuration", Text: line})
		}
		return
	}
	x := examiner{s, report}
	for _, warning := range s.warnings {
		x.say(plugin.Doubt, "the configuration", "%s", warning)
	}
	apps := map[string]application{legacyKey: s.legacy}
	for _, app := range s.byEnv {
		apps[app.key] = app
	}
	pool := upstream.NewPool(ctx, s.calls, env.Logger)
	asked := make(map[string]bool) // deployments, and whether they answer
	seen := make(map[upstream.Application]bool)
	for _, key := range slices.Sorted(maps.Keys(apps)) {
		app := apps[key]
		c := pool.Client(app.Application)
		if _, known := asked[app.Deployment]; !known {
			asked[app.Deployment] = x.deployment(ctx, c, app.Deployment)
		}
		if !seen[app.Application] && asked[app.Deployment] {
			x.client(ctx, c, app)
		}
		seen[app.Application] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.byEnv)) {
		x.ownRoutes(ctx, name, s.byEnv[name])
		x.issuer(ctx, name, s.byEnv[name])
	}
	x.cookies(s.byEnv[s.mainEnv])
}

// deployment looks at a Coder without a user, and reports whether it answers.
func (x examiner) deployment(ctx context.Context, c *upstream.Client, address string) bool {
	facts, err := c.Examine(ctx)
	if err != nil {
		e := upstream.From(err)
		x.say(plugin.Wrong, address, "%s: %s", e, e.Hint())
		return false
	}
	x.say(plugin.Good, address, "answers in %v%s", facts.Took.Round(time.Millisecond), prefixed(", version ", facts.Version))
	if left := time.Until(facts.Expires); !facts.Expires.IsZero() && left < soonEnded {
		x.say(plugin.Doubt, "the certificate of "+address, "it ends on %s: renew it", facts.Expires.Format(time.DateOnly))
	} else if !facts.Expires.IsZero() {
		x.say(plugin.Good, "the certificate of "+address, "it is trusted, and ends on %s", facts.Expires.Format(time.DateOnly))
	}
	if facts.Ahead.Abs() > maxSkew {
		x.say(plugin.Wrong, "the clock", "it is %v ahead of Coder's: set both by NTP, since tokens and certificates have times", facts.Ahead)
	} else {
		x.say(plugin.Good, "the clock", "it agrees with Coder's to %v", max(facts.Ahead.Abs(), time.Second))
	}
	switch of := "the OAuth2 metadata of " + address; {
	case facts.Metadata != nil:
		x.say(plugin.Wrong, of, "%v: Coder before 2.25 has none and refuses sign-ins with PKCE; update it, or check that no proxy "+
			"blocks its /.well-known", facts.Metadata)
	case !facts.PKCE:
		x.say(plugin.Wrong, of, "it does not list the PKCE method S256, without which sign-ins fail: update Coder to 2.25 or newer")
	case facts.Issuer != "":
		x.say(plugin.Wrong, of, "it names the issuer %s: set the deployment URL to it, otherwise answers that name it are refused", facts.Issuer)
	default:
		x.say(plugin.Good, of, "it is there, and lists PKCE with S256")
	}
	return true
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// client looks whether Coder knows the application, and says how a person can see the rest.
func (x examiner) client(ctx context.Context, c *upstream.Client, app application) {
	of := app.key + ": client and secret"
	if err := c.CheckClient(ctx); err != nil {
		e := upstream.From(err)
		x.say(plugin.Wrong, of, "%s%s", e, prefixed(": ", e.Hint()))
		return
	}
	x.say(plugin.Good, of, "Coder knows them: it refuses a made-up code with invalid_grant, not the client")
	state, _ := newState("env", x.settings.mainEnv)
	x.say(plugin.Look, app.key+": callback URL and scopes", "Coder tells them only to who is signed in there: open %s\n"+
		"a page that asks for your consent: both are right; press Cancel, which ends at a page of this host\n"+
		"\"redirect_uri must exactly match\": register %s in Coder, or set callbackUrl to the registered one\n"+
		"invalid_scope, on the page or in its address: Coder does not know a scope of additionalScopes\n"+
		"\"application not found\": clientId is not that of an application of this Coder",
		c.AuthorizeURL(state, oauth2.GenerateVerifier(), app.asked("")), app.CallbackURL)
}

// begin begins a sign-in at a Coder provider as a browser would, and returns where that leads: nowhere unless it is at Coder.
func (x examiner) begin(ctx context.Context, provider, env string) (status int, to *url.URL, err error) {
	transport, _ := httpclient.New(httpclient.Options{}) // the deployment has told of its warning
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	query := url.Values{"env": {env}, "origin": {x.settings.appOrigin}, "scope": {""}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, provider+"/start?"+query.Encode(), nil)
	if err != nil {
		return 0, nil, errors.New("it is no URL")
	}
	request.Header.Set("User-Agent", "understudy")
	answer, err := client.Do(request)
	if err != nil {
		return 0, nil, cause(err)
	}
	_ = answer.Body.Close()
	if to, err = url.Parse(answer.Header.Get("Location")); err != nil {
		to = &url.URL{}
	}
	return answer.StatusCode, to, nil
}

// ownRoutes looks whether this host answers with this configuration.
func (x examiner) ownRoutes(ctx context.Context, env string, app application) {
	of := "the route " + x.settings.mount + "/start?env=" + env
	status, to, err := x.begin(ctx, x.settings.mount, env)
	if err != nil {
		x.say(plugin.Wrong, of, "%v: start this host, or have backend.baseUrl lead to it", err)
		return
	}
	switch asked := to.Query(); {
	case status != http.StatusFound:
		x.say(plugin.Wrong, of, "status %d: another program answers, or this host with another configuration; have /api/auth/coder lead here", status)
	case asked.Get("code_challenge") == "":
		x.say(plugin.Wrong, of, "it sends no PKCE challenge, so the Node backend answers: have /api/auth/coder lead to this host")
	case !strings.HasPrefix(to.String(), app.Deployment+"/"), asked.Get("client_id") != app.ClientID, asked.Get("redirect_uri") != app.CallbackURL:
		x.say(plugin.Wrong, of, "it leads to another deployment, client or callback URL than this configuration says: restart the host with it")
	default:
		x.say(plugin.Good, of, "this host answers, with this configuration")
	}
}

// issuer looks whether the Node backend's Coder provider asks the internal listener, if people sign in to Backstage.
func (x examiner) issuer(ctx context.Context, env string, app application) {
	o := x.settings.identity
	if o == nil || !app.signIn {
		return
	}
	of := "the Node backend's Coder provider " + o.Provider() + ", env " + env
	status, to, err := x.begin(ctx, o.Provider(), env)
	if err != nil {
		x.say(plugin.Wrong, of, "%v: start the Node backend, or correct understudy.identity.target; nobody can sign in to Backstage", err)
		return
	}
	deployment, _, _ := strings.Cut(to.String(), "/oauth2/authorize")
	switch asked := to.Query(); {
	case status != http.StatusFound:
		x.say(plugin.Wrong, of, "status %d: add @coder/plugin-auth-backend-module-coder-provider there, and auth.providers.coder.%s", status, env)
	case asked.Get("code_challenge") != "":
		x.say(plugin.Wrong, of, "it sends a PKCE challenge, so this host answers: set understudy.identity.target to the Node backend's own URL")
	case deployment == app.Deployment:
		x.say(plugin.Wrong, of, "its deploymentUrl is Coder's: set it to %s, in the configuration of the Node backend alone", o.URL())
	case asked.Get("client_id") != app.ClientID:
		x.say(plugin.Wrong, of, "its clientId is not that of %s: set it to the same", app.key)
	case deployment != o.URL():
		x.say(plugin.Doubt, of, "its deploymentUrl is %s, and the internal listener is %s: see that it leads there", deployment, o.URL())
	default:
		x.say(plugin.Good, of, "it is there, and its deploymentUrl leads to the internal listener")
	}
}

// cause returns the innermost reason of a failed request, which does not repeat the URL.
func cause(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// cookies looks whether browsers send the session's cookies with the app's requests.
func (x examiner) cookies(app application) {
	s := x.settings
	page, _ := url.Parse(s.appOrigin)
	callback, _ := url.Parse(app.CallbackURL)
	switch of := "the cookies"; {
	case callback == nil || page == nil || callback.Host == "":
	case site(page) == site(callback):
		x.say(plugin.Good, of, "app and callback are on one site")
	case callback.Scheme != "https":
		x.say(plugin.Wrong, of, "app (%s) and callback (%s) are on two sites, and over http browsers do not send cookies from one to the other: "+
			"use https, or one site", s.appOrigin, callback.Host)
	default:
		x.say(plugin.Doubt, of, "app (%s) and callback (%s) are on two sites: Safari, and other browsers that block third-party cookies, do not "+
			"keep the session; put both on one site", s.appOrigin, callback.Host)
	}
}

// site returns what browsers compare for SameSite: the scheme and the registrable domain.
func site(u *url.URL) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(u.Hostname())
	if err != nil { // an address, or a name of one part
		domain = u.Hostname()
	}
	return u.Scheme + "://" + domain
}
