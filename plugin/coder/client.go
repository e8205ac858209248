package coder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// client talks to one Coder deployment as one of its OAuth2 applications. It is safe for concurrent use.
type client struct {
	app      application
	http     *http.Client // follows no redirects, caps bodies
	timeout  time.Duration
	metadata *metadata
}

// refreshing names the refresh in errors.
const refreshing = "refreshing"

// tokens is what Coder's token endpoint gave.
type tokens struct {
	access, refresh string // refresh is empty when Coder keeps none
	scope, id       string // id is an OpenID Connect token, which Coder may come to give
	expiresIn       any    // as Coder wrote it, nil when it did not
}

// profile is the part of Coder's user that Backstage shows. Its JSON is Backstage's ProfileInfo.
type profile struct {
	Email       string `json:"email,omitempty"`
	Picture     string `json:"picture,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
}

// authorizeURL is where the browser asks the user for consent. It carries the PKCE challenge and nothing that
// Coder does not know, for Coder refuses unknown parameters.
func (c *client) authorizeURL(state, verifier, scope string) string {
	config := c.config()
	config.Scopes = strings.Fields(scope)
	return config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// exchange spends a code, once: it is never retried. verifier is empty for the older frontend's own requests.
func (c *client) exchange(ctx context.Context, code, verifier, accept string) (*tokens, error) {
	ctx, cancel := c.context(ctx, accept)
	defer cancel()
	// An empty code_verifier would be refused: Coder expects none where no challenge was given.
	var options []oauth2.AuthCodeOption
	if verifier != "" {
		options = append(options, oauth2.VerifierOption(verifier))
	}
	token, err := c.config().Exchange(ctx, code, options...)
	return c.tokens(ctx, "exchanging the code", token, err)
}

// refresh spends a refresh token, once. A Coder that does not rotate leaves the token as it was. scope is
// always sent, as Backstage does; oauth2.Config has no way to, which is why the client credentials flow is
// borrowed for its free choice of parameters.
func (c *client) refresh(ctx context.Context, refreshToken, scope string) (*tokens, error) {
	ctx, cancel := c.context(ctx, "application/json")
	defer cancel()
	config := c.config()
	request := clientcredentials.Config{
		ClientID: config.ClientID, ClientSecret: config.ClientSecret,
		TokenURL: config.Endpoint.TokenURL, AuthStyle: config.Endpoint.AuthStyle,
		EndpointParams: url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "scope": {scope},
		},
	}
	token, err := request.Token(ctx)
	return c.tokens(ctx, refreshing, token, err)
}

// revoke ends a token at Coder (RFC 7009).
func (c *client) revoke(ctx context.Context, refreshToken string) error {
	// x/oauth2 has no revocation, so client authentication is done here, as x/oauth2 does it for tokens.
	form := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}
	basic := c.config().Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if !basic {
		form.Set("client_id", c.app.clientID)
		form.Set("client_secret", c.app.clientSecret)
	}
	ctx, cancel := c.context(ctx, "application/json")
	defer cancel()
	endpoint := c.metadata.endpoints().revoke
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		request.SetBasicAuth(url.QueryEscape(c.app.clientID), url.QueryEscape(c.app.clientSecret))
	}
	_, err = do(c.http, request, "revoking")
	return err
}

// profile asks who the access token belongs to.
func (c *client) profile(ctx context.Context, accessToken string) (*profile, error) {
	const doing = "reading the user profile"
	ctx, cancel := c.context(ctx, "application/json")
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.app.deployment+"/api/v2/users/me", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+accessToken)
	body, err := do(c.http, request, doing)
	if err != nil {
		return nil, err
	}
	// Only what is shown is read; Coder's user has roles, organizations and more.
	var user struct {
		ID        string `json:"id"`
		Username  string `json:"username"`
		Name      string `json:"name"`
		Email     string `json:"email"`
		AvatarURL string `json:"avatar_url"`
	}
	_ = json.Unmarshal(body, &user) // a member of another type stays empty
	if user.ID+user.Username == "" {
		return nil, nonsenseError(doing, "not the JSON of a user")
	}
	// The published module shows the name, else the user name; passport's last resort is the id.
	name := cmp.Or(user.Name, user.Username, user.ID)
	return &profile{Email: user.Email, Picture: user.AvatarURL, DisplayName: name}, nil
}

// config is the application as x/oauth2 wants it, with the endpoints that are known by now.
func (c *client) config() *oauth2.Config {
	// Fixed, never probed: x/oauth2 would otherwise try both, and spend the code with the wrong one.
	at := c.metadata.endpoints()
	style := oauth2.AuthStyleInParams
	if c.app.authMethod == basicAuth || c.app.authMethod == "" && at.basicOnly {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: c.app.clientID, ClientSecret: c.app.clientSecret, RedirectURL: c.app.callbackURL,
		Endpoint: oauth2.Endpoint{AuthURL: at.authorize, TokenURL: at.token, AuthStyle: style},
	}
}

// context limits a call's time and gives x/oauth2 our HTTP client.
func (c *client) context(ctx context.Context, accept string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, acceptKey{}, accept), c.timeout)
	return context.WithValue(ctx, oauth2.HTTPClient, c.http), cancel
}

// do sends a request that is not x/oauth2's and returns the body of a 2xx answer.
func do(c *http.Client, request *http.Request, doing string) ([]byte, error) {
	response, err := c.Do(request)
	if err != nil {
		return nil, unreachableError(request.Context(), doing, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, unreachableError(request.Context(), doing, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, statusError(doing, response.StatusCode, "")
	}
	return body, nil
}

// tokens turns x/oauth2's outcome into ours. Its errors hold Coder's whole answer, so none is kept.
func (c *client) tokens(ctx context.Context, doing string, token *oauth2.Token, err error) (*tokens, error) {
	var refused *oauth2.RetrieveError
	var transport *url.Error
	switch {
	case errors.As(err, &refused):
		return nil, statusError(doing, refused.Response.StatusCode, refused.ErrorCode)
	// x/oauth2 flattens what breaks while the body is read; the context still tells a timeout from the rest.
	case errors.As(err, &transport), err != nil && ctx.Err() != nil:
		return nil, unreachableError(ctx, doing, err)
	case err != nil:
		return nil, nonsenseError(doing, "no access token in the answer")
	}
	// A token goes into headers and cookies. What would not survive there is no token.
	if !isToken(token.AccessToken) || !isToken(token.RefreshToken) {
		return nil, nonsenseError(doing, "a token with characters that none has")
	}
	scope, _ := token.Extra("scope").(string)
	id, _ := token.Extra("id_token").(string)
	return &tokens{
		access: token.AccessToken, refresh: token.RefreshToken, id: id,
		scope: strings.Join(splitScope(scope), " "), expiresIn: token.Extra("expires_in"),
	}, nil
}

// isToken tells whether text is empty or made of what RFC 6749, appendix A, allows in tokens.
func isToken(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) < 0
}
