package coder

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// frameType is Backstage's Content-Type of the frame page, which has no charset.
const frameType = "text/html"

// attempt is what the frame knows about the sign-in that it ends.
type attempt struct {
	*arrival
	env     *environment
	jar     *cookieJar
	origin  string // that the result is posted to, always an allowed one
	proven  bool   // the state has been checked
	already bool   // this state has made the browser's session before
}

// frame ends a sign-in of Backstage's frontend. The result is posted to the app and shown in the popup, with status 200
// as in Backstage, errors included. A redirect flow leads back to the app, whatever went wrong. Only a request without
// a known environment is answered with an error of its own.
func (h *handler) frame(w http.ResponseWriter, r *request, at *arrival) error {
	// Until an origin has been checked, the result goes to app.baseUrl.
	a := attempt{arrival: at, origin: h.settings.appOrigin}
	var err error
	if at.pending {
		a.env, err = h.environments[at.flow.env], rejection(r.query, false)
		a.origin = cmp.Or(at.flow.origin, a.origin)
	} else if a.env, err = h.environment(r.query); err != nil {
		if to := h.redirectTarget(&a); to != "" && r.Method != http.MethodHead {
			redirectToApp(w, r.Request, to, apierror.NotFound("The environment of this sign-in is not configured"))
			return nil
		}
		return err
	}
	if r.Method == http.MethodHead { // never spends a code
		return h.answer(w, r, &a, sessionResponse{}, nil)
	}
	var response sessionResponse
	if err == nil {
		err = h.checkAttempt(w, r, &a)
	}
	if err == nil && !a.already {
		if response, err = h.complete(r, &a); !notAsked(err) {
			a.jar.endFlow(a.state) // the state cannot be used again in this browser
		}
	}
	// As in Backstage, the session has been stored by now.
	if err == nil && a.proven && a.fields["flow"] == "redirect" && a.fields["redirectUrl"] == "" {
		err = apierror.Input("No redirectUrl provided in request query parameters")
	}
	if isBusy(err) {
		retryAfter(w, upstream.From(err))
	}
	if to := h.redirectTarget(&a); to != "" {
		if err != nil && !a.proven {
			err = unprovenText(err)
		}
		redirectToApp(w, r.Request, to, err)
		return nil
	}
	return h.answer(w, r, &a, response, err)
}

// redirectTarget returns where a redirect flow goes on, or "". Nothing proves that a target in a state which was not
// checked is the app's, but it is an allowed one.
func (h *handler) redirectTarget(a *attempt) string {
	switch to := a.fields["redirectUrl"]; {
	case a.pending && a.flow.kind == redirect:
		return cmp.Or(a.flow.origin, h.settings.appOrigin) + "/" // without a state, nobody knows the link any more
	// The target is checked again, since the allowed origins may have changed.
	case a.fields["flow"] == "redirect" && to != "" && h.settings.checkRedirect(to) == nil:
		return to
	}
	return ""
}

// unprovenText returns an error for a link whose state proves nothing: its text holds nothing that is in the link.
func unprovenText(err error) error {
	message := apierror.From(err).Message
	switch {
	case strings.HasPrefix(message, "Origin '"):
		message = "The origin of the app is not allowed"
	case strings.HasPrefix(message, "Authentication failed, Coder answered with"):
		message = "Authentication failed, Coder refused the sign-in"
	}
	return apierror.NotAllowed(message)
}

// checkAttempt makes Backstage's checks in Backstage's order, and one more: the state as a whole belongs to a
// pending flow of this browser and of this environment.
func (h *handler) checkAttempt(w http.ResponseWriter, r *request, a *attempt) error {
	if _, err := readState(a.state); err != nil {
		return err
	}
	if a.fields["origin"] != "" {
		o, err := h.settings.checkOrigin(a.fields["origin"], apierror.NotAllowed)
		if err != nil {
			h.logForeign(apierror.From(err))
			return err
		}
		a.origin = o
	}
	a.jar = h.jar(w, r, a.env.app, a.origin)
	if s, _, ok := h.boundSession(r.cookies, a.env, r.cookies.all(refreshCookie)); ok && s.madeBy(a.state) {
		a.already, a.proven = true, true
		return nil
	}
	// Backstage's nonce cookie belongs to the latest start, and to one callback route. The flow's own cookie proves more.
	missing := a.jar.get(nonceCookie) == "" && !a.found
	var err error
	switch {
	case missing:
		err = apierror.NotAllowed("Auth response is missing cookie nonce")
	case a.expired:
		err = apierror.NotAllowed("The sign-in took longer than ten minutes, please try again")
	case !a.found:
		err = apierror.NotAllowed("Invalid nonce")
	case a.flow.env != a.env.name:
		err = apierror.NotAllowed("OAuth state is invalid, it belongs to another environment")
	default:
		err = h.checkIssuer(r, a.env)
	}
	if err != nil {
		h.log.Warn("sign-in refused: the state is not one of this browser, or the answer not one of this Coder",
			zap.String("env", a.env.name), zap.String("reason", apierror.From(err).Message), zap.Bool("nonceCookieSent", !missing),
			zap.String("stateCookie", flowCookie(a.state)), zap.Bool("stateCookieSent", a.found || a.expired))
		return err
	}
	a.proven = true
	return nil
}

// complete spends the code of a checked attempt and stores the session.
func (h *handler) complete(r *request, a *attempt) (sessionResponse, error) {
	// As in passport, an error takes precedence over a code.
	if err := rejection(r.query, true); err != nil {
		return sessionResponse{}, err
	}
	code, err := r.code()
	if err != nil {
		return sessionResponse{}, err
	}
	got, err := a.env.Redeem(r.Context(), a.env.Client, upstream.Code{
		Code: code, Verifier: a.flow.verifier, RedirectURI: a.flow.redirectURI, State: a.flow.hash[:], Profile: true,
		Accept: "application/json", // the published module's
	})
	switch {
	case errors.Is(err, upstream.ErrUsed):
		return sessionResponse{}, apierror.NotAllowed("Invalid nonce")
	case errors.Is(err, upstream.ErrSignedOut):
		return sessionResponse{}, plainError("Authentication failed, you signed out meanwhile")
	case err != nil && got == nil:
		return sessionResponse{}, h.attemptFailed(a, "Authentication failed, ", err)
	case err != nil:
		return sessionResponse{}, h.attemptFailed(a, "Authentication failed, the Coder user profile could not be read: ", err)
	}
	if got.Tokens.Refresh != "" {
		made := session{state: a.flow.hash, stateUntil: time.Now().Add(stateLife).Unix()}
		h.setSession(a.jar, a.env, made, got.Tokens, a.env.app.asked(a.fields["scope"]))
	}
	// Without an identity, the session at Coder is there: the next refresh asks for one again.
	response, err := h.sessionFor(r.Context(), r, a.env, got.Tokens, got.Profile)
	if err != nil {
		return sessionResponse{}, err // as Backstage posts what a sign-in resolver says
	}
	return response, nil
}

// rejection returns the error of an answer in which Coder, or the user there, refused, otherwise nil. proven says
// that the answer came with the state of a flow.
func rejection(query express.Query, proven bool) error {
	if query.Get("error") == "" {
		return nil
	}
	code, description := refusal(query, proven)
	if code == "access_denied" {
		return plainError("Authentication rejected, " + cmp.Or(description, "the sign-in was cancelled or denied at Coder"))
	}
	return plainError("Authentication failed, " + cmp.Or(description, "Coder answered with "+code))
}

// code returns the code from the query, otherwise from the body, which response_mode=form_post uses.
func (r *request) code() (string, error) {
	form := r.body.Form
	if object, ok := r.body.JSON.(map[string]any); ok {
		code, _ := object["code"].(string)
		form = express.Query{"code": {code}}
	}
	for _, values := range []express.Query{r.query, form} {
		if codes := slices.Concat(values["code"], values["code[]"]); len(codes) == 1 && codes[0] != "" {
			return codes[0], nil
		}
		if values.Get("code") != "" {
			return "", plainError("Authentication failed, the answer holds more than one code")
		}
	}
	return "", plainError("Unexpected redirect")
}

// attemptFailed logs why a call to Coder failed, and returns the error for the user, without Coder's own words.
func (h *handler) attemptFailed(a *attempt, prefix string, err error) error {
	failure := upstream.From(err)
	h.logFailure(zap.ErrorLevel, "sign-in failed", a.env, failure)
	e := plainError(prefix + failure.UserText())
	e.Err = failure
	return e
}

// answer posts the result to the app, and shows errors to the user too, since the app may show only that the popup
// was closed. config_info goes to any origin, so that an app on a wrong origin can tell why it gets no other message.
// It holds only the expected origin.
func (h *handler) answer(w http.ResponseWriter, r *request, a *attempt, response sessionResponse, err error) error {
	p := h.page(a.env.name, a.fields, err)
	result := map[string]any{"type": "authorization_response"}
	status := http.StatusOK
	if err != nil {
		e := apierror.From(err)
		result["error"] = map[string]string{"name": e.Name, "message": e.Message}
		if isBusy(err) {
			status = http.StatusServiceUnavailable
		}
	} else {
		result["response"] = response
	}
	w.Header().Set("X-Frame-Options", "sameorigin")
	if a.already { // the app has got its token
		return p.serve(w, r, status, frameType)
	}
	alone := p.Text
	if err == nil {
		alone = "You are signed in to Coder. The page that asked for it is not open any more: go on in " + h.settings.appTitle + "."
	}
	p.Script = &script{
		Parent: true, Alone: alone,
		Close: 100, // the interval at which Backstage's frontend checks whether the popup is closed
		Messages: []message{
			{Data: map[string]string{"type": "config_info", "targetOrigin": a.origin}, Origins: []string{"*"}},
			{Data: result, Origins: []string{a.origin}},
		},
	}
	return p.serve(w, r, status, frameType)
}
