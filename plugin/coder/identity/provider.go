package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
)

// The two requests that the Node backend's Coder provider makes. There is nothing else.
const (
	tokenPath   = "/oauth2/tokens" //nolint:gosec // a path
	profilePath = "/api/v2/users/me"
	maxBody     = 32 << 10
)

// refusal is an answer that says no more than RFC 6749, section 5.2, has it. The reason is for the log.
type refusal struct {
	status int
	code   string
	reason error
}

// ServeHTTP is the internal listener: Coder, as far as the Node backend's Coder provider needs it.
func (r *Relay) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var answer any
	no := &refusal{http.StatusNotFound, "not_found", errors.New("unknown route")}
	switch request.Method + " " + request.RequestURI {
	case "POST " + tokenPath:
		request.Body = http.MaxBytesReader(w, request.Body, maxBody)
		answer, no = r.token(request)
	case "GET " + profilePath:
		answer, no = r.profile(request)
	}
	status := http.StatusOK
	if no != nil {
		status, answer = no.status, map[string]string{"error": no.code}
		r.log.Warn("the internal listener for the Node backend refused a request", zap.String("method", request.Method),
			zap.Int("status", no.status), zap.String("error", no.code), zap.NamedError("reason", no.reason), zap.String("client", request.RemoteAddr))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// token exchanges a handle for an access token. There is no refresh token in the answer: nothing of it can be used again.
func (r *Relay) token(request *http.Request) (any, *refusal) {
	if err := request.ParseForm(); err != nil {
		return nil, &refusal{http.StatusBadRequest, "invalid_request", errors.New("the body is no form, or too long")}
	}
	form := request.PostForm
	if !same(form.Get("client_secret"), r.options.Secret) {
		return nil, &refusal{http.StatusUnauthorized, "invalid_client", errors.New("the client's secret is not " + secretKey)}
	}
	if form.Get("grant_type") != "refresh_token" {
		return nil, &refusal{http.StatusBadRequest, "unsupported_grant_type", errors.New("the grant type is not refresh_token")}
	}
	t, err := r.open(handle, form.Get("refresh_token"))
	if client, known := r.options.Clients[t.Env]; err == nil && (!known || form.Get("client_id") != client) {
		err = errors.New("it is for another environment, or the Node backend has another clientId for this one")
	}
	if err == nil {
		err = r.spend(t)
	}
	token := ""
	if err == nil {
		token, err = r.seal(accessToken, t.Env, t.Profile)
	}
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "invalid_grant", err}
	}
	return map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(ticketLife / time.Second)}, nil
}

// same compares two texts in constant time.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// profile answers the one read of the profile that an access token is good for.
func (r *Relay) profile(request *http.Request) (any, *refusal) {
	token, _ := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	t, err := r.open(accessToken, token)
	if err == nil {
		err = r.spend(t)
	}
	if err != nil {
		return nil, &refusal{http.StatusUnauthorized, "invalid_token", err}
	}
	return t.Profile, nil
}
