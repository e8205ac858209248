package backstageauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
)

// Cookie is the name of the cookie that holds a user's limited token.
const Cookie = "backstage-auth"

// cookiePath is where the frontend asks for the cookie, below every plugin.
const cookiePath = "/.backstage/auth/v1/cookie"

// renewal is how long before its end a cookie is replaced.
const renewal = 5 * time.Minute

// isCookieRequest reports whether a request asks for the cookie, or asks to take it away.
func isCookieRequest(r *http.Request) bool {
	rest, ok := express.CutPrefixFold(r.URL.EscapedPath(), cookiePath)
	return ok && (rest == "" || rest == "/") && (r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodDelete)
}

// cookie returns the token of the cookie, or "".
func cookie(r *http.Request) string {
	if values := express.ParseCookies(r.Header.Values("Cookie"))[Cookie]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// serveCookie gives a user the cookie (GET), or takes it away (DELETE), as every plugin of Backstage does.
func (a *Authenticator) serveCookie(w http.ResponseWriter, r *http.Request, pluginID string) error {
	external, err := a.discovery.ExternalBaseURL(pluginID)
	if err != nil {
		return err
	}
	if r.Method == http.MethodDelete {
		setCookie(w.Header(), external, "", time.Unix(0, 0))
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	p, err := a.caller(r, pluginID, false) // a cookie does not renew itself
	if err == nil {
		err = p.Require(User)
	}
	if err != nil {
		return err
	}
	expires, old := p.ExpiresAt, Principal{}
	if token := cookie(r); token != "" {
		old, _ = a.authenticate(r.Context(), token, pluginID, true) // one that is not accepted is replaced
	}
	if old.Kind == User && old.UserEntityRef == p.UserEntityRef && time.Until(old.ExpiresAt) >= renewal {
		expires = old.ExpiresAt
	} else {
		token, err := limit(bearer(r))
		if err != nil {
			return err
		}
		setCookie(w.Header(), external, token, expires)
	}
	body, _ := json.Marshal(map[string]string{"expiresAt": expires.UTC().Format("2006-01-02T15:04:05.000Z")})
	express.Send(w, r, http.StatusOK, express.JSON, body)
	return nil
}

// limit makes a user's limited token of the token that has been checked: the auth backend has put its signature there.
func limit(raw string) (string, error) {
	t := read(raw)
	switch {
	case t.typ == typPlugin && t.claims != nil:
		return limit(t.claims.OnBehalfOf)
	case t.typ == typLimited || t.typ == "":
		return raw, nil
	case t.claims == nil || t.claims.Proof == "":
		return "", apierror.Authentication("Failed to create limited user token, missing user identity proof")
	}
	// The parts are signed as Backstage writes them: no spaces, and the keys in this order.
	header := encode(struct {
		Typ string `json:"typ"`
		Alg string `json:"alg"`
		Kid string `json:"kid,omitempty"`
	}{typLimited, t.alg, t.kid})
	payload := encode(struct {
		Sub string  `json:"sub"`
		Iat float64 `json:"iat"`
		Exp float64 `json:"exp"`
	}{t.claims.Subject, *t.claims.IssuedAt, *t.claims.Expiry})
	return header + "." + payload + "." + t.claims.Proof, nil
}

// encode writes a part of a JWT as JSON.stringify does, without escapes for <, > and &.
func encode(part any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(part)
	return base64.RawURLEncoding.EncodeToString(bytes.TrimSpace(b.Bytes()))
}

// setCookie sets the cookie for the backend's host, as httpAuth.issueUserCookie does.
func setCookie(header http.Header, external, token string, expires time.Time) {
	//nolint:gosec // over plain http it cannot be Secure, as in Backstage
	c := &http.Cookie{Name: Cookie, Value: token, Path: "/", Expires: expires, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if u, err := url.Parse(external); err == nil {
		c.Domain = u.Hostname()
		c.Secure = u.Scheme == "https" || c.Domain == "localhost"
	}
	if c.Secure {
		c.SameSite = http.SameSiteNoneMode
	}
	header.Add("Set-Cookie", strings.Replace(express.CookieLine(c), "; SameSite=", "; Priority=High; SameSite=", 1))
}
