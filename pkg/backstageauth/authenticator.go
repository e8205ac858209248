package backstageauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/discovery"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/httpclient"
	"github.com/understudy-host/understudy/pkg/logging"
)

// Authenticator checks tokens for all plugins. It is safe for concurrent use.
type Authenticator struct {
	log       *zap.Logger
	discovery *discovery.Discovery
	current   atomic.Pointer[Settings]

	// The keys of each kind of issuers. They have limits of their own: anybody can name plugins that do not exist.
	users, plugins, external *issuers
}

// New returns an authenticator that fetches keys until life ends. It accepts the tokens of users and plugins; Use adds
// those of external callers.
func New(life context.Context, log *zap.Logger, d *discovery.Discovery) *Authenticator {
	// Other backends are neighbours, and not behind HTTP_PROXY. The issuers of external callers may be.
	inside, warning := httpclient.NewOnce(httpclient.Options{DialTimeout: fetchTimeout})
	outside, _ := httpclient.New(httpclient.Options{DialTimeout: fetchTimeout})
	context.AfterFunc(life, func() {
		inside.CloseIdleConnections()
		outside.CloseIdleConnections()
	})
	a := &Authenticator{
		log: log, discovery: d,
		users: newIssuers(life, inside, warning), plugins: newIssuers(life, inside, warning), external: newIssuers(life, outside, warning),
	}
	a.current.Store(new(Settings))
	return a
}

// Use puts settings into use. The keys of issuers are kept.
func (a *Authenticator) Use(s Settings) { a.current.Store(&s) }

// authenticate returns whose token it is. The error is Backstage's, for the client: why a token is refused is in the log.
// limited tells whether the limited token of a user will do.
func (a *Authenticator) authenticate(ctx context.Context, raw, pluginID string, limited bool) (Principal, error) {
	t := read(raw)
	if t.typ == typPlugin {
		return a.plugin(ctx, t, pluginID)
	}
	if t.isUser() {
		p, err := a.user(ctx, t, pluginID)
		if err == nil && t.typ == typLimited && !limited {
			return Principal{}, apierror.Authentication("Illegal limited user token")
		}
		return p, err
	}
	for _, x := range a.current.Load().external {
		subject, err := x.check.check(ctx, a.external, t)
		if err != nil {
			return Principal{}, a.refuse(pluginID, "Illegal token", err)
		}
		if subject != "" {
			restrictions, err := x.restrict(pluginID)
			return Principal{Kind: Service, Subject: subject, Restrictions: restrictions}, err
		}
	}
	return Principal{}, apierror.Authentication("Illegal token")
}

// refuse returns an error for the client, and logs the cause. Neither holds anything of the token.
func (a *Authenticator) refuse(pluginID, message string, cause error) error {
	a.log.Warn("a token was refused", zap.String("plugin", pluginID), zap.String("answer", message), zap.Error(cause))
	return apierror.Authentication(message)
}

// isUser reports whether the token says that it is a user's: by its type, or, as older ones do, by its audience.
func (t token) isUser() bool {
	return t.typ == typUser || t.typ == typLimited ||
		t.claims != nil && len(t.claims.Audience) == 1 && t.claims.Audience[0] == audUser
}

// user checks a token that the auth backend has issued.
func (a *Authenticator) user(ctx context.Context, t token, pluginID string) (Principal, error) {
	r := rules{typ: t.typ, algorithms: asymmetric, required: true}
	if t.typ != typUser && t.typ != typLimited {
		r = rules{algorithms: asymmetric, audiences: []string{audUser}}
	}
	c, err := verify(ctx, t.raw, a.keysOf(a.users, userIssuer, userKeys), r)
	if err != nil {
		return Principal{}, a.refuse(pluginID, "Failed user token verification", err)
	}
	if c.Subject == "" {
		return Principal{}, a.refuse(pluginID, "No user sub found in token", errMissing)
	}
	if c.Expiry == nil || *c.Expiry == 0 {
		return Principal{}, a.refuse(pluginID, "User token is missing expiration", errMissing)
	}
	return Principal{Kind: User, UserEntityRef: c.Subject, ExpiresAt: time.Unix(int64(*c.Expiry), 0)}, nil
}

// isPluginID reports whether a text may be the ID of a plugin. It becomes a part of a URL before the token is checked.
func isPluginID(s string) bool {
	const maxID = 64
	return len(s) <= maxID && !strings.ContainsFunc(s, func(c rune) bool {
		return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
}

// plugin checks a token that another plugin has issued, perhaps on behalf of a user.
func (a *Authenticator) plugin(ctx context.Context, t token, pluginID string) (Principal, error) {
	if t.claims == nil {
		return Principal{}, a.refuse(pluginID, "Failed plugin token verification", errMalformed)
	}
	issuer := t.claims.Subject
	if issuer == "" {
		return Principal{}, a.refuse(pluginID, "Invalid plugin token: missing subject", errMissing)
	}
	if !isPluginID(issuer) {
		return Principal{}, a.refuse(pluginID, "Invalid plugin token: forbidden subject format", errClaims)
	}
	c, err := verify(ctx, t.raw, a.keysOf(a.plugins, issuer, "/.backstage/auth/v1/jwks.json"),
		rules{typ: typPlugin, algorithms: asymmetric, audiences: []string{pluginID}, required: true})
	if errors.Is(err, errNoKeys) {
		return Principal{}, a.refuse(pluginID, "Received a plugin token where the source '"+issuer+"' plugin unexpectedly does not have a "+
			"JWKS endpoint. The target plugin needs to be migrated to be installed in an app using the new backend system.", err)
	}
	if err != nil {
		return Principal{}, a.refuse(pluginID, "Failed plugin token verification", err)
	}
	actor := "plugin:" + c.Subject
	if c.OnBehalfOf == "" {
		return Principal{Kind: Service, Subject: actor}, nil
	}
	user := read(c.OnBehalfOf)
	if !user.isUser() {
		return Principal{}, a.refuse(pluginID, "Invalid user token in plugin token obo claim", errType)
	}
	p, err := a.user(ctx, user, pluginID)
	p.Actor = actor
	return p, err
}

// userIssuer is the plugin that issues the tokens of users, and userKeys is where it shows its keys.
const (
	userIssuer = "auth"
	userKeys   = "/.well-known/jwks.json"
)

// UserKeys returns how many keys there are that tokens of users are checked with, and where. It fetches them anew.
func (a *Authenticator) UserKeys(ctx context.Context) (n int, url string, err error) {
	base, err := a.discovery.Target(userIssuer)
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	keys, err := a.users.get(ctx, base+userKeys)
	return len(keys), logging.URL(base + userKeys), err
}

// keysOf finds the keys of a plugin.
func (a *Authenticator) keysOf(i *issuers, pluginID, path string) keyFinder {
	return func(ctx context.Context, kid, alg string) (any, error) {
		base, err := a.discovery.Target(pluginID)
		if err != nil {
			return nil, err
		}
		return i.at(base+path).find(ctx, kid, alg)
	}
}

// bearer returns the token of the Authorization header, or "".
func bearer(r *http.Request) string {
	rest, ok := express.CutPrefixFold(r.Header.Get("Authorization"), "Bearer ")
	token := strings.TrimLeft(rest, " ")
	if !ok || strings.ContainsAny(token, " \t") {
		return ""
	}
	return token
}

// caller returns who sent the request: by its token, or, if limited is set, by its cookie.
func (a *Authenticator) caller(r *http.Request, pluginID string, limited bool) (Principal, error) {
	token := bearer(r)
	if token == "" && limited {
		token = cookie(r)
	}
	if token == "" {
		return Principal{}, nil
	}
	return a.authenticate(r.Context(), token, pluginID, limited)
}
