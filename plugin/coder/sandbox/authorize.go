package sandbox

import (
	"cmp"
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
	authorizeParams = strings.Fields("client_id code_challenge code_challenge_method redirect_uri response_type scope state")

	// scopes are some of the names in Coder's catalog: enough to ask for less than everything.
	scopes = []string{
		"all", "application_connect", "coder:all", "coder:application_connect", "coder:workspaces.access",
		"coder:workspaces.create", "coder:workspaces.delete", "coder:workspaces.operate", "template:read",
		"user:read_personal", "workspace:read",
	}

	challengeForm = regexp.MustCompile(`^[A-Za-z0-9\-._~]{43,128}$`) // RFC 7636 sections 4.1 and 4.2
)

// authorization is a valid request to the authorization endpoint: the user can allow it.
type authorization struct {
	callback    *url.URL // a registered redirect URI
	redirectURI string   // as sent, or ""
	state       string
	scope       []string
	challenge   string
}

// consent shows the consent page (GET /oauth2/authorize).
func (c *standIn) consent(w http.ResponseWriter, r *http.Request) {
	a := c.authorization(w, r)
	if a == nil {
		return
	}
	denied := oauthError{"access_denied", "The resource owner or authorization server denied the request"}
	if c.CancelWithoutState {
		a.state, denied.text = "", ""
	}
	writePage(c.Logger, w, http.StatusOK, "consent.html", map[string]any{
		"App": appName, "Users": demo.Users, "Scopes": a.scope, "Cancel": a.refusal(denied), "Host": a.callback.Host,
	})
}

// decide issues the code after the user has pressed Allow (POST /oauth2/authorize).
func (c *standIn) decide(w http.ResponseWriter, r *http.Request) {
	a := c.authorization(w, r)
	if a == nil {
		return
	}
	name := cmp.Or(r.PostFormValue("user"), demo.Users[0].Username)
	i := slices.IndexFunc(demo.Users, func(u user) bool { return u.Username == name })
	if i < 0 {
		c.fail(w, http.StatusBadRequest, "Unknown user", "There is no such demo user.")
		return
	}
	c.Logger.Info("sandbox: access allowed", zap.String("user", name))
	secret := c.store.addCode(code{User: demo.Users[i], Challenge: a.challenge, RedirectURI: a.redirectURI})
	redirect(w, r, a.answer(url.Values{"code": {secret}}))
}

// authorization reads the query of r. If the query is not valid, it answers r and returns nil. It answers with an error
// page if client or redirect URI cannot be trusted or the request is malformed, otherwise with a redirect.
func (c *standIn) authorization(w http.ResponseWriter, r *http.Request) *authorization {
	q := r.URL.Query()
	switch id := q.Get("client_id"); {
	case id == "":
		c.fail(w, http.StatusBadRequest, "Missing OAuth2 client ID.",
			"The request does not say which application is asking.")
		return nil
	case id != c.Client.ID:
		c.fail(w, http.StatusNotFound, "OAuth2 application not found.",
			fmt.Sprintf("No application with the client ID %q is registered in this sandbox.", id))
		return nil
	}
	a := &authorization{
		redirectURI: q.Get("redirect_uri"), state: q.Get("state"), scope: strings.Fields(q.Get("scope")),
		challenge: q.Get("code_challenge"),
	}
	callback := cmp.Or(a.redirectURI, c.Client.RedirectURIs[0])
	a.callback, _ = url.Parse(callback) // Open has checked the registered ones
	problems := unknownNames(q, authorizeParams)
	if !slices.Contains(c.Client.RedirectURIs, callback) {
		problems = append(problems, `Query param "redirect_uri" must exactly match a registered redirect URI`)
	}
	kind := q.Get("response_type")
	switch {
	case kind == "":
		problems = append(problems, `Query param "response_type" is required and cannot be empty`)
	case kind != "code" && kind != "token": // Coder knows the name "token" and refuses it below
		problems = append(problems, fmt.Sprintf(`Query param "response_type" has invalid value: %q is not a valid value`, kind))
	case kind == "code" && a.challenge == "" && !c.PKCEOptional:
		problems = append(problems, `Query param "code_challenge" is required and cannot be empty`)
	case a.challenge != "" && !challengeForm.MatchString(a.challenge):
		problems = append(problems, "must be 43 to 128 characters from the unreserved character set [A-Za-z0-9-._~]")
	}
	if problems != nil {
		c.fail(w, http.StatusBadRequest, "Invalid Query Parameters",
			"One or more query parameters are missing or invalid.", problems...)
		return nil
	}
	method := q.Get("code_challenge_method")
	unknown := func(scope string) bool { return !slices.Contains(scopes, scope) }
	switch {
	case kind != "code":
		redirect(w, r, a.refusal(oauthError{"unsupported_response_type", "Only response_type=code is supported"}))
	case method != "" && method != "S256":
		redirect(w, r, a.refusal(oauthError{
			"invalid_request", "unsupported code_challenge_method: only S256 is supported",
		}))
	case slices.ContainsFunc(a.scope, unknown):
		redirect(w, r, a.refusal(oauthError{"invalid_scope", "unknown or unsupported scope"}))
	default:
		return a
	}
	return nil
}

// refusal is the callback with an error in its query (RFC 6749 section 4.1.2.1).
func (a *authorization) refusal(e oauthError) string {
	set := url.Values{"error": {e.name}}
	if e.text != "" {
		set.Set("error_description", e.text)
	}
	return a.answer(set)
}

// answer is the callback with set in its query, and with the state if there was one.
func (a *authorization) answer(set url.Values) string {
	u := *a.callback
	q := u.Query()
	maps.Copy(q, set)
	if a.state != "" {
		q.Set("state", a.state)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// redirect sends the browser to a URL that answer made, on a registered callback.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	http.Redirect(w, r, to, http.StatusFound) //nolint:gosec // G710: the registration decides where it may lead
}

// unknownNames returns a problem for each name in v that is not known, sorted by name.
func unknownNames(v url.Values, known []string) (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !slices.Contains(known, name) {
			problems = append(problems, fmt.Sprintf("%q is not a valid query param", name))
		}
	}
	return problems
}
