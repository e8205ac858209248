package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// oauthError is an error of RFC 6749 section 5.2. It has no secret in it, so it can be logged.
type oauthError struct{ name, text string }

func (e oauthError) Error() string { return e.name + ": " + e.text }

// The errors of the token endpoint, with Coder's texts.
var (
	errNoClientID     = oauthError{"invalid_request", "Missing client_id parameter"}
	errTwoCredentials = oauthError{
		"invalid_request", "Conflicting client credentials between Authorization header and request body",
	}
	errMalformed   = oauthError{"invalid_request", "The request is missing required parameters or is otherwise malformed"}
	errInURL       = oauthError{"invalid_request", "Parameters must be sent in the request body, not in the URL"}
	errGrantType   = oauthError{"unsupported_grant_type", "The grant type is missing or unsupported"}
	errBadClient   = oauthError{"invalid_client", "The client credentials are invalid"}
	errBadCode     = oauthError{"invalid_grant", "The authorization code is invalid or expired"}
	errBadVerifier = oauthError{"invalid_grant", "The PKCE code verifier is invalid"}
	errBadRedirect = oauthError{"invalid_grant", "The redirect_uri is not that of the authorization request"}
	errBadRefresh  = oauthError{"invalid_grant", "The refresh token is invalid or expired"}
)

var tokenFields = strings.Fields("client_id client_secret code code_verifier grant_type redirect_uri refresh_token scope")

// credentials are the fields that are exchanged for tokens, by grant type.
var credentials = map[string]string{"authorization_code": "code", "refresh_token": "refresh_token"}

// token answers POST /oauth2/tokens: RFC 6749 sections 4.1.3 and 6.
func (c *standIn) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1; pageHeaders sets Cache-Control
	g, err := c.grant(w, r)
	if err != nil {
		c.Logger.Info("sandbox: token refused", zap.Error(err))
		writeOAuthError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": g.Access, "token_type": "Bearer", "refresh_token": g.Refresh,
		"expires_in": int64(g.Expires.Sub(c.store.now()).Seconds()), "expiry": g.Expires.UTC(),
	})
}

// grant makes the tokens that r asks for. It has the order of Coder's checks.
func (c *standIn) grant(w http.ResponseWriter, r *http.Request) (grant, error) {
	form, id, secret, err := clientForm(w, r)
	switch {
	case err != nil:
		return grant{}, err
	case id != c.Client.ID:
		return grant{}, errBadClient
	}
	credential, known := credentials[form.Get("grant_type")]
	if !known {
		return grant{}, errGrantType
	}
	switch {
	case form.Get(credential) == "":
		return grant{}, missing(credential)
	case secret == "":
		return grant{}, missing("client_secret")
	case unknownNames(form, tokenFields) != nil,
		form.Has("redirect_uri") && !slices.Contains(c.Client.RedirectURIs, form.Get("redirect_uri")):
		return grant{}, errMalformed
	case !equal(secret, c.Client.Secret):
		return grant{}, errBadClient
	case credential == "refresh_token":
		return c.store.rotate(form.Get("refresh_token"))
	}
	return c.exchange(form)
}

// exchange redeems an authorization code. A code works at most once: a request with a wrong verifier uses it up.
func (c *standIn) exchange(form url.Values) (grant, error) {
	code, ok := c.store.takeCode(form.Get("code"))
	if !ok {
		return grant{}, errBadCode
	}
	verifier := form.Get("code_verifier")
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case code.Challenge != "" && !challengeForm.MatchString(verifier),
		code.Challenge != "" && !equal(code.Challenge, base64.RawURLEncoding.EncodeToString(sum[:])):
		return grant{}, errBadVerifier
	case code.RedirectURI != "" && code.RedirectURI != form.Get("redirect_uri"):
		return grant{}, errBadRedirect
	}
	return c.store.issue(code.User), nil
}

// revoke answers POST /oauth2/revoke (RFC 7009): 200 for a known token, which it ends, and for an unknown one.
func (c *standIn) revoke(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1; pageHeaders sets Cache-Control
	form, id, secret, err := clientForm(w, r)
	switch {
	case err != nil:
		writeOAuthError(w, err)
	case form.Get("token") == "":
		writeOAuthError(w, oauthError{"invalid_request", "missing token parameter"})
	case id != c.Client.ID || !equal(secret, c.Client.Secret):
		writeOAuthError(w, errBadClient)
	default:
		c.store.revoke(form.Get("token"))
		w.WriteHeader(http.StatusOK)
	}
}

// clientForm reads a form of at most 64 kB and the client's credentials: client_secret_basic or client_secret_post
// (RFC 6749 section 2.3.1). Only the client ID may be in the URL: the rest would end up in logs. The secret may be
// missing, and is not checked here.
func clientForm(w http.ResponseWriter, r *http.Request) (form url.Values, id, secret string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return nil, "", "", errMalformed
	}
	form, query := r.PostForm, r.URL.Query()
	id, secret = cmp.Or(form.Get("client_id"), query.Get("client_id")), form.Get("client_secret")
	if query.Del("client_id"); len(query) > 0 {
		return nil, "", "", errInURL
	}
	if user, password, ok := r.BasicAuth(); ok && user != "" {
		user, errID := url.QueryUnescape(user)
		password, errSecret := url.QueryUnescape(password)
		switch {
		case errID != nil || errSecret != nil:
			return nil, "", "", errBadClient
		case id != "" && id != user, secret != "" && !equal(secret, password):
			return nil, "", "", errTwoCredentials
		}
		id, secret = user, password
	}
	if id == "" {
		return nil, "", "", errNoClientID
	}
	return form, id, secret, nil
}

func missing(field string) error {
	return oauthError{"invalid_request", "Missing required parameter: " + field}
}

// writeOAuthError answers with err, an oauthError: 401 for wrong client credentials, otherwise 400.
func writeOAuthError(w http.ResponseWriter, err error) {
	e := oauthError{"server_error", "Internal server error"}
	status := http.StatusInternalServerError
	if errors.As(err, &e) {
		status = http.StatusBadRequest
	}
	if e.name == errBadClient.name {
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="coder"`)
	}
	writeJSON(w, status, map[string]string{"error": e.name, "error_description": e.text})
}
