package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"
)

var (
	authorizeParams = []string{
		"client_id", "code_challenge", "code_challenge_method", "redirect_uri", "resource", "response_type",
		"scope", "state",
	}
	responseTypes = []string{"code", "token"} // Coder knows the name of the second and refuses it later

	// scopes are some of the names in Coder's catalog, enough to ask for less than everything.
	scopes = []string{
		"all", "application_connect", "coder:all", "coder:application_connect", "coder:workspaces.access",
		"coder:workspaces.create", "coder:workspaces.delete", "coder:workspaces.operate", "template:read",
		"user:read_personal", "workspace:read",
	}

	challengeForm = regexp.MustCompile(`^[A-Za-z0-9\-._~]{43,128}$`) // RFC 7636 section 4.2, and 4.1 alike
)

// authorization is a request to the authorization endpoint that may be shown to the user.
type authorization struct {
	callback      *url.URL // a registered redirect URI, with the port of the request
	redirectURI   string   // as sent, or ""
	state         string
	scope         []string
	challenge     string
	resource      string
	failure, text string // an OAuth2 error that the client must hear of
}

// consent shows the consent page (GET /oauth2/authorize).
func (c *standIn) consent(w http.ResponseWriter, r *http.Request) {
	a, problems := c.authorization(w, r)
	switch {
	case a == nil:
	case problems != nil:
		c.fail(w, http.StatusBadRequest, "Invalid Query Parameters",
			"One or more query parameters are missing or invalid.", problems...)
	case a.failure != "":
		redirect(w, r, a.errorURL())
	default:
		a.failure, a.text = "access_denied", "The resource owner or authorization server denied the request"
		if c.cancelWithoutState {
			a.state, a.text = "", ""
		}
		c.page(w, http.StatusOK, "consent.html", map[string]any{
			"App": c.client.Name, "Users": c.users, "Scopes": a.scope, "Cancel": a.errorURL(),
			"Host": a.callback.Host,
		})
	}
}

// decide issues the code once the user has pressed Allow (POST /oauth2/authorize).
func (c *standIn) decide(w http.ResponseWriter, r *http.Request) {
	a, problems := c.authorization(w, r)
	switch {
	case a == nil:
		return
	case problems != nil:
		writeOAuthError(w, oauthError{"invalid_request", "Invalid query params: " + strings.Join(problems, ", ")})
		return
	case a.failure != "":
		redirect(w, r, a.errorURL())
		return
	}
	who, ok := c.user(r.PostFormValue("user"))
	if !ok {
		writeOAuthError(w, oauthError{"invalid_request", "There is no such demo user"})
		return
	}
	secret := c.store.addCode(code{
		user: who, challenge: a.challenge, redirectURI: a.redirectURI, resource: a.resource,
	})
	c.logger.Info("sandbox: access allowed", zap.String("user", who.Username))
	redirect(w, r, a.redirectURL(url.Values{"code": {secret}}))
}

// authorization reads the query of r. It answers r itself and returns nil when the client is not known;
// problems are for the user alone, because they make the callback doubtful or the request meaningless.
func (c *standIn) authorization(w http.ResponseWriter, r *http.Request) (a *authorization, problems []string) {
	q := r.URL.Query()
	switch id := q.Get("client_id"); {
	case id == "":
		c.fail(w, http.StatusBadRequest, "Missing OAuth2 client ID.",
			"The request does not say which application is asking.")
		return nil, nil
	case id != c.client.ID:
		c.fail(w, http.StatusNotFound, "OAuth2 application not found.",
			fmt.Sprintf("No application with the client ID %q is registered in this sandbox.", id))
		return nil, nil
	}
	a = &authorization{
		redirectURI: q.Get("redirect_uri"), state: q.Get("state"), scope: strings.Fields(q.Get("scope")),
		challenge: q.Get("code_challenge"), resource: q.Get("resource"),
	}
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	a.callback = c.callback(a.redirectURI)
	if a.callback == nil {
		add("Query param %q must exactly match a registered redirect URI", "redirect_uri")
	}
	kind := q.Get("response_type")
	switch {
	case kind == "":
		add("Query param %q is required and cannot be empty", "response_type")
	case !slices.Contains(responseTypes, kind):
		add("Query param %q has invalid value: %q is not a valid value", "response_type", kind)
	case kind == "code" && a.challenge == "" && !c.pkceOptional:
		add("Query param %q is required and cannot be empty", "code_challenge")
	case a.challenge != "" && !challengeForm.MatchString(a.challenge):
		add("must be 43 to 128 characters from the unreserved character set [A-Za-z0-9-._~]")
	}
	if !validResource(a.resource) {
		add("must be an absolute URI without fragment")
	}
	problems = append(problems, unknownNames(q, authorizeParams)...)

	method := q.Get("code_challenge_method")
	unknown := slices.IndexFunc(a.scope, func(s string) bool { return !slices.Contains(scopes, s) })
	switch {
	case kind != "code":
		a.failure, a.text = "unsupported_response_type", "Only response_type=code is supported"
	case method != "" && method != "S256":
		a.failure, a.text = "invalid_request", "unsupported code_challenge_method: only S256 is supported"
	case unknown >= 0:
		a.failure, a.text = "invalid_scope", fmt.Sprintf("%q: unknown or unsupported scope", a.scope[unknown])
	}
	return a, problems
}

// callback returns the registered URI that given, a redirect_uri, matches, and nil when there is none.
func (c *standIn) callback(given string) *url.URL {
	if given == "" {
		given = c.client.RedirectURIs[0]
	}
	u, err := url.Parse(given)
	if err != nil {
		return nil
	}
	for _, registered := range c.client.RedirectURIs {
		if given == registered || withoutLoopbackPort(given) == withoutLoopbackPort(registered) {
			return u
		}
	}
	return nil
}

// withoutLoopbackPort drops the port of an http URI on a loopback host (RFC 8252 section 7.3).
func withoutLoopbackPort(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || !isLoopbackHost(u.Hostname()) {
		return uri
	}
	// Cut out of the text: composing it anew could make two different spellings equal.
	return strings.Replace(uri, "//"+u.Host, "//"+strings.TrimSuffix(u.Host, ":"+u.Port()), 1)
}

func (a *authorization) errorURL() string {
	v := url.Values{"error": {a.failure}}
	if a.text != "" {
		v.Set("error_description", describable(a.text))
	}
	return a.redirectURL(v)
}

// redirectURL is the callback with set in its query, and the state when there was one.
func (a *authorization) redirectURL(set url.Values) string {
	u := *a.callback
	q := u.Query()
	for _, reserved := range []string{"code", "error", "error_description", "state"} {
		q.Del(reserved)
	}
	maps.Copy(q, set)
	if a.state != "" {
		q.Set("state", a.state)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// redirect sends the browser to a URL that redirectURL made, which is on a registered callback.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	http.Redirect(w, r, to, http.StatusFound) //nolint:gosec // G710: the registration decides where it may lead
}

// describable confines s to the characters of an error_description (RFC 6749 appendix A.8).
func describable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '\\':
			return -1
		case r < 0x20 || r > 0x7e:
			return ' '
		}
		return r
	}, s)
}

// unknownNames reports each name in v that is not known, in order.
func unknownNames(v url.Values, known []string) (problems []string) {
	for name := range v {
		if !slices.Contains(known, name) {
			problems = append(problems, fmt.Sprintf("%q is not a valid query param", name))
		}
	}
	slices.Sort(problems)
	return problems
}

// validResource follows RFC 8707 section 2: absent, or an absolute URI without a fragment.
func validResource(s string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && u.IsAbs() && u.Fragment == ""
}
