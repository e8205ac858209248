package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"
)

var (
	errBadClient      = errors.New("bad client credentials")
	errTwoCredentials = errors.New("different client credentials in header and body")
	errBadCode        = errors.New("bad authorization code")
	errBadVerifier    = errors.New("bad code verifier")
	errBadRedirect    = errors.New("bad redirect URI")

	errInvalidResource = errors.New("bad resource")

	tokenFields = []string{
		"client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri", "refresh_token",
		"resource", "scope",
	}
)

// token answers POST /oauth2/tokens: RFC 6749 sections 4.1.3 and 6, with Coder's order of checks and its words.
func (c *standIn) token(w http.ResponseWriter, r *http.Request) {
	form, ok := c.form(w, r)
	if !ok {
		return
	}
	id, secret, err := clientCredentials(r, form)
	grantType := form.Get("grant_type")
	switch {
	case err == nil && id == "":
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "Missing client_id parameter")
		return
	case err == nil && id != c.client.ID:
		err = errBadClient
	case err == nil && grantType != "authorization_code" && grantType != "refresh_token":
		writeOAuthError(w, http.StatusBadRequest, "unsupported_grant_type",
			"The grant type is missing or unsupported")
		return
	case err == nil:
		if missing := missingField(form, grantType, secret); missing != "" {
			writeOAuthError(w, http.StatusBadRequest, "invalid_request", "Missing required parameter: "+missing)
			return
		}
		if unknownNames(form, tokenFields) != nil || c.callback(form.Get("redirect_uri")) == nil ||
			!validResource(form.Get("resource")) {
			writeOAuthError(w, http.StatusBadRequest, "invalid_request",
				"The request is missing required parameters or is otherwise malformed")
			return
		}
	}
	var g grant
	switch {
	case err != nil:
	case !equal(secret, c.client.Secret):
		err = errBadClient
	case grantType == "refresh_token":
		g, err = c.store.rotate(form.Get("refresh_token"), form.Get("resource"))
	default:
		g, err = c.exchange(form)
	}
	if err != nil {
		c.logger.Info("sandbox: token refused", zap.String("grantType", grantType), zap.Error(err))
		writeGrantError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		AccessToken  string    `json:"access_token"`
		TokenType    string    `json:"token_type"`
		RefreshToken string    `json:"refresh_token"`
		ExpiresIn    int64     `json:"expires_in"`
		Expiry       time.Time `json:"expiry"`
	}{g.access, "Bearer", g.refresh, int64(g.expires.Sub(c.store.now()).Seconds()), g.expires.UTC()})
}

// exchange redeems an authorization code. A code can be offered once, with the right verifier or not.
func (c *standIn) exchange(form url.Values) (grant, error) {
	code, ok := c.store.takeCode(form.Get("code"))
	if !ok {
		return grant{}, errBadCode
	}
	verifier := form.Get("code_verifier")
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case code.challenge != "" && !challengeForm.MatchString(verifier),
		code.challenge != "" && !equal(code.challenge, base64.RawURLEncoding.EncodeToString(sum[:])):
		return grant{}, errBadVerifier
	case code.redirectURI != "" && code.redirectURI != form.Get("redirect_uri"):
		return grant{}, errBadRedirect
	case code.resource != form.Get("resource"):
		return grant{}, errInvalidResource
	}
	return c.store.issue(code.user, code.resource), nil
}

// missingField names the first field that a grant cannot do without.
func missingField(form url.Values, grantType, secret string) string {
	credential := "code"
	if grantType == "refresh_token" {
		credential = "refresh_token"
	}
	switch {
	case form.Get(credential) == "":
		return credential
	case secret == "":
		return "client_secret"
	}
	return ""
}

// revoke answers POST /oauth2/revoke (RFC 7009): 200 for every token that it ends, and for every other.
func (c *standIn) revoke(w http.ResponseWriter, r *http.Request) {
	form, ok := c.form(w, r)
	if !ok {
		return
	}
	id, secret, err := clientCredentials(r, form)
	switch {
	case err != nil:
		writeGrantError(w, err)
	case id == "":
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "Missing client_id parameter")
	case form.Get("token") == "":
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "missing token parameter")
	case id != c.client.ID || !equal(secret, c.client.Secret):
		writeGrantError(w, errBadClient)
	default:
		c.store.revoke(form.Get("token"))
		w.WriteHeader(http.StatusOK)
	}
}

// revokeApp answers DELETE /oauth2/tokens?client_id=…: the signed-in user withdraws what it allowed.
func (c *standIn) revokeApp(w http.ResponseWriter, r *http.Request, u user) {
	switch r.URL.Query().Get("client_id") {
	case "":
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "Missing client_id parameter")
	case c.client.ID:
		c.store.forget(u)
		w.WriteHeader(http.StatusNoContent)
	default:
		writeGrantError(w, errBadClient)
	}
}

// form reads a form of at most 64 kB and refuses credentials in the URL, where logs would keep them.
func (c *standIn) form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		writeOAuthError(w, http.StatusBadRequest, "invalid_request",
			"The request is missing required parameters or is otherwise malformed")
		return nil, false
	}
	query := r.URL.Query()
	if query.Del("client_id"); len(query) > 0 {
		writeOAuthError(w, http.StatusBadRequest, "invalid_request",
			"Parameters must be sent in the request body, not in the URL")
		return nil, false
	}
	return r.PostForm, true
}

// clientCredentials reads client_secret_basic or client_secret_post (RFC 6749 section 2.3.1).
func clientCredentials(r *http.Request, form url.Values) (id, secret string, err error) {
	id, secret = form.Get("client_id"), form.Get("client_secret")
	if id == "" {
		id = r.URL.Query().Get("client_id")
	}
	user, password, ok := r.BasicAuth()
	if !ok || user == "" {
		return id, secret, nil
	}
	user, errID := url.QueryUnescape(user)
	password, errSecret := url.QueryUnescape(password)
	switch {
	case errID != nil || errSecret != nil:
		return "", "", errBadClient
	case id != "" && id != user, secret != "" && !equal(secret, password):
		return "", "", errTwoCredentials
	}
	return user, password, nil
}

// writeGrantError answers with the OAuth2 error that err stands for.
func writeGrantError(w http.ResponseWriter, err error) {
	status, name, text := http.StatusBadRequest, "invalid_grant", "The refresh token is invalid or expired"
	switch {
	case errors.Is(err, errBadClient):
		status, name, text = http.StatusUnauthorized, "invalid_client", "The client credentials are invalid"
		w.Header().Set("WWW-Authenticate", `Basic realm="coder"`)
	case errors.Is(err, errTwoCredentials):
		name = "invalid_request"
		text = "Conflicting client credentials between Authorization header and request body"
	case errors.Is(err, errBadCode):
		text = "The authorization code is invalid or expired"
	case errors.Is(err, errBadVerifier):
		text = "The PKCE code verifier is invalid"
	case errors.Is(err, errBadRedirect):
		text = "The redirect_uri does not match the one in the authorization request"
	case errors.Is(err, errInvalidResource):
		name, text = "invalid_target", "The resource parameter is invalid"
	}
	writeOAuthError(w, status, name, text)
}

func writeOAuthError(w http.ResponseWriter, status int, name, description string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{name, description})
}
