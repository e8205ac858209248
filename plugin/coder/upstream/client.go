// Package upstream talks to Coder deployments as OAuth2 applications that are registered there: it gets, renews
// and revokes tokens, and reads the profiles of users. It knows nothing of the browsers and the frontends that
// the plugin serves.
//
// All errors of calls to Coder are of type *Error.
package upstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Client authentication methods of RFC 8414 that Coder knows.
const (
	PostAuth  = "client_secret_post"
	BasicAuth = "client_secret_basic"
)

// maxToken is the length of the longest token that is taken: tokens are kept for a while, many at once.
const maxToken = 16 << 10

// Application is one OAuth2 application at one Coder deployment.
type Application struct {
	ClientID     string
	ClientSecret string
	Deployment   string // the URL, without a trailing slash
	CallbackURL  string
	AuthMethod   string // PostAuth, BasicAuth, or "" for what Coder's metadata says
}

// Client talks to one Coder deployment as one of its OAuth2 applications. It is safe for concurrent use.
type Client struct {
	app      Application
	pool     *Pool
	metadata *metadata
}

// Tokens is the answer of Coder's token endpoint.
type Tokens struct {
	Access    string
	Refresh   string // empty if Coder keeps no session
	ID        string // an OpenID Connect token, which Coder does not issue yet
	Scope     string // as Coder wrote it
	ExpiresIn any    // as Coder wrote it, nil if it did not
}

// Profile is the part of Coder's user that Backstage reads, in Coder's JSON.
type Profile struct {
	ID        string `json:"id"`
	Username  string `json:"username"`
	Name      string `json:"name"`
	Email     string `json:"email"`
	AvatarURL string `json:"avatar_url"`
}

// DisplayName returns what the published module shows: the name, otherwise the user name. As passport it falls back on the
// ID.
func (p *Profile) DisplayName() string { return cmp.Or(p.Name, p.Username, p.ID) }

// AuthorizeURL returns the URL at which Coder asks the user for consent. Beside the given values it carries only
// parameters that Coder knows, since Coder refuses others.
func (c *Client) AuthorizeURL(state, verifier, scope string) string {
	config := c.config()
	config.Scopes = strings.Fields(scope)
	return config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// exchange spends a code, once: it never retries.
func (c *Client) exchange(ctx context.Context, code Code) (*Tokens, error) {
	ctx, done, err := c.begin(ctx, exchanging, code.Accept)
	if err != nil {
		return nil, err
	}
	defer done()
	config := c.config()
	config.RedirectURL = code.RedirectURI
	// Coder refuses an empty code_verifier.
	var options []oauth2.AuthCodeOption
	if code.Verifier != "" {
		options = append(options, oauth2.VerifierOption(code.Verifier))
	}
	token, err := config.Exchange(ctx, code.Code, options...)
	return newTokens(ctx, exchanging, token, err)
}

// refresh spends a refresh token, once. A Coder that does not rotate tokens returns the same one.
func (c *Client) refresh(ctx context.Context, refreshToken, scope string) (*Tokens, error) {
	const operation = "refreshing"
	ctx, done, err := c.begin(ctx, operation, "application/json")
	if err != nil {
		return nil, err
	}
	defer done()
	// oauth2.Config cannot send a scope with a refresh. The client credentials flow lets its caller choose all
	// parameters. Coder refuses parameters that it does not know, as some versions do not know scope here.
	config := c.config()
	request := clientcredentials.Config{
		ClientID: config.ClientID, ClientSecret: config.ClientSecret, Scopes: strings.Fields(scope),
		TokenURL: config.Endpoint.TokenURL, AuthStyle: config.Endpoint.AuthStyle,
		EndpointParams: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}},
	}
	token, err := request.Token(ctx)
	return newTokens(ctx, operation, token, err)
}

// Revoke ends the session of a refresh token at Coder (RFC 7009).
func (c *Client) Revoke(ctx context.Context, refreshToken string) error {
	const operation = "revoking"
	ctx, done, err := c.begin(ctx, operation, "application/json")
	if err != nil {
		return err
	}
	defer done()
	// x/oauth2 has no revocation. The client authenticates as x/oauth2 does it for tokens.
	form := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}
	basic := c.config().Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if !basic {
		form.Set("client_id", c.app.ClientID)
		form.Set("client_secret", c.app.ClientSecret)
	}
	at := c.metadata.endpoints().revoke
	_, err = c.pool.call(ctx, operation, http.MethodPost, at, form.Encode(), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if basic {
			r.SetBasicAuth(url.QueryEscape(c.app.ClientID), url.QueryEscape(c.app.ClientSecret))
		}
	})
	return err
}

// Profile returns the profile of the user that the access token belongs to.
func (c *Client) Profile(ctx context.Context, accessToken string) (*Profile, error) {
	const operation = readingProfile
	ctx, done, err := c.begin(ctx, operation, "application/json")
	if err != nil {
		return nil, err
	}
	defer done()
	at := c.app.Deployment + "/api/v2/users/me"
	body, err := c.pool.call(ctx, operation, http.MethodGet, at, "", func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+accessToken)
	})
	if err != nil {
		return nil, err
	}
	var user Profile
	_ = json.Unmarshal(body, &user) // a member of another type stays empty
	if user.ID+user.Username == "" {
		return nil, malformed(operation, "not the JSON of a user")
	}
	return &user, nil
}

// config returns the application as x/oauth2 wants it, with the endpoints that are known by now.
func (c *Client) config() *oauth2.Config {
	// The style is never detected: x/oauth2 would try both, and spend the code with the wrong one.
	at := c.metadata.endpoints()
	style := oauth2.AuthStyleInParams
	if c.app.AuthMethod == BasicAuth || c.app.AuthMethod == "" && at.basicOnly {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: c.app.ClientID, ClientSecret: c.app.ClientSecret, RedirectURL: c.app.CallbackURL,
		Endpoint: oauth2.Endpoint{AuthURL: at.authorize, TokenURL: at.token, AuthStyle: style},
	}
}

// begin waits until the client may call Coder, limits the time of the call, and passes the HTTP client and the Accept
// header on to x/oauth2. done must be called after the call.
func (c *Client) begin(ctx context.Context, operation, accept string) (_ context.Context, done func(), err error) {
	ctx, release, err := c.metadata.limit.hold(ctx, operation)
	if err != nil {
		return nil, nil, err
	}
	ctx = context.WithValue(context.WithValue(ctx, acceptKey{}, accept), oauth2.HTTPClient, c.pool.http)
	ctx, cancel := context.WithTimeout(ctx, c.pool.timeout)
	return ctx, func() { cancel(); release() }, nil
}

// newTokens converts the outcome of x/oauth2. Its errors hold Coder's whole answer, so none of them is kept.
func newTokens(ctx context.Context, operation string, token *oauth2.Token, err error) (*Tokens, error) {
	var retrieve *oauth2.RetrieveError
	var transport *url.Error
	switch {
	case errors.As(err, &retrieve):
		return nil, badStatus(operation, retrieve.Response.StatusCode, retrieve.ErrorCode)
	// x/oauth2 hides the type of errors that occur while the body is read; the context still shows a timeout.
	case errors.As(err, &transport), err != nil && ctx.Err() != nil:
		return nil, unreachable(ctx, operation, err)
	case err != nil:
		return nil, malformed(operation, "no access token in the answer")
	}
	scope, _ := token.Extra("scope").(string)
	id, _ := token.Extra("id_token").(string)
	// A token is sent in headers and cookies.
	if !isToken(token.AccessToken) || !isToken(token.RefreshToken) {
		return nil, malformed(operation, "a token with characters that are not allowed in tokens")
	}
	if max(len(token.AccessToken), len(token.RefreshToken), len(id)) > maxToken {
		return nil, malformed(operation, "a token of more than 16 kB")
	}
	return &Tokens{token.AccessToken, token.RefreshToken, id, scope, token.Extra("expires_in")}, nil
}

// isToken reports whether s is empty or consists of the characters that RFC 6749, appendix A, allows in tokens.
func isToken(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) < 0
}

// Life returns how long the access token lives from now on, or 0 if Coder did not say.
func (t *Tokens) Life() time.Duration {
	var seconds float64
	switch v := t.ExpiresIn.(type) {
	case float64:
		seconds = v
	case int64:
		seconds = float64(v)
	case json.Number:
		seconds, _ = v.Float64()
	case string:
		seconds, _ = strconv.ParseFloat(v, 64)
	}
	const most = 100 * 365 * 24 * 3600
	if !(seconds >= 1 && seconds <= most) {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
