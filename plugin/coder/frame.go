package coder

import (
	"cmp"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// frameType is Backstage's Content-Type of the frame page, which has no charset.
const frameType = "text/html"

// attempt is what the frame route knows about the sign-in that it ends.
type attempt struct {
	env    *environment
	jar    *cookieJar
	origin string // that the result is posted to, always an allowed one
	flow   flow   // empty until the state has been checked
}

// frame is GET and POST /handler/frame, to which Coder sends the popup back. The result is posted to the app and
// shown in the popup, with status 200 as in Backstage, errors included. Only a request without a known
// environment is answered with JSON.
func (h *handler) frame(w http.ResponseWriter, r *request) error {
	// Until an origin has been checked, the result goes to app.baseUrl.
	a := attempt{origin: h.settings.appOrigin}
	var err error
	if f := h.flowWithoutState(r); f.Env != "" {
		a.flow, a.env = f, h.environments[f.Env]
		if f.Origin != "" {
			a.origin = f.Origin
		}
		err = rejection(r.query, false)
	} else if a.env, err = h.environment(r.query); err != nil {
		return err
	}
	if r.Method == http.MethodHead { // never spends a code
		return h.answer(w, r, a, sessionResponse{}, nil)
	}
	var response sessionResponse
	if err == nil {
		err = h.checkAttempt(w, r, &a)
	}
	if err == nil {
		response, err = h.complete(r, &a)
	}
	// As in Backstage, the session has been stored by now.
	if err == nil && a.flow.Mode == "redirect" && a.flow.Redirect == "" {
		err = apierror.Input("No redirectUrl provided in request query parameters")
	}
	// Only a checked flow redirects. The target is checked again, since the allowed origins may have changed.
	if a.flow.Mode == "redirect" && a.flow.Redirect != "" && h.settings.checkRedirect(a.flow.Redirect) == nil {
		redirectToApp(w, r.Request, a.flow.Redirect, err)
		return nil
	}
	return h.answer(w, r, a, response, err)
}

// flowWithoutState returns the newest flow of this browser if Coder's answer is an error without a state, as old
// versions send it on Cancel: the flow says which app is waiting. It stays pending, since nothing proves that
// the answer is about it.
func (h *handler) flowWithoutState(r *request) flow {
	if r.query.Get("error") == "" || stateParam(r.query) != "" {
		return flow{}
	}
	env := r.query.Get("env")
	return r.cookies.pendingFlow(h.ring, func(f flow) bool {
		_, known := h.environments[f.Env]
		return known && (env == "" || env == f.Env) && (f.Origin == "" || h.settings.allows(f.Origin))
	})
}

// checkAttempt makes Backstage's checks in Backstage's order, and one more: the state as a whole belongs to a
// pending flow of this browser and of this environment. Then it ends the flow, so that the code is spent at most
// once.
func (h *handler) checkAttempt(w http.ResponseWriter, r *request, a *attempt) error {
	state := stateParam(r.query)
	fields, err := readState(state)
	if err != nil {
		return err
	}
	if fields["origin"] != "" {
		o, err := h.settings.checkOrigin(fields["origin"], apierror.NotAllowed)
		if err != nil {
			return err
		}
		a.origin = o
	}
	a.jar = h.jar(w, r, a.env.app, a.origin)
	// Backstage's nonce cookie belongs to the latest start. It must be there but may differ: the flow's own cookie
	// proves more.
	missing := a.jar.get(nonceCookie) == ""
	f, expired, ok := a.jar.flow(h.ring, state)
	switch {
	case missing:
		err = apierror.NotAllowed("Auth response is missing cookie nonce")
	case expired:
		err = apierror.NotAllowed("The sign-in took longer than ten minutes, please try again")
	case !ok || f.Mode == bridgeMode:
		err = apierror.NotAllowed("Invalid nonce")
	case f.Env != a.env.name:
		err = apierror.NotAllowed("OAuth state is invalid, it belongs to another environment")
	}
	if err != nil {
		h.log.Warn("sign-in refused: the state is not one of this browser", zap.String("env", a.env.name),
			zap.Bool("expired", expired), zap.Bool("nonceCookieSent", !missing), zap.String("stateCookie", flowCookie(state)),
			zap.Bool("stateCookieSent", r.cookies[flowCookie(state)] != ""))
		return err
	}
	a.jar.endFlow(state)
	a.flow = f
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
	// The Accept header is the published module's.
	tokens, err := a.env.Exchange(r.Context(), code, a.flow.Verifier, "application/json")
	if err != nil {
		return sessionResponse{}, h.attemptFailed(a, "Authentication failed, ", err)
	}
	profile, err := a.env.Profile(r.Context(), tokens.Access)
	if err != nil {
		return sessionResponse{}, h.attemptFailed(a, "Authentication failed, the Coder user profile could not be read: ", err)
	}
	if tokens.Refresh != "" {
		h.setSession(a.jar, a.env, tokens.Refresh)
	}
	return newSessionResponse(tokens, profile), nil
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
	h.log.Error("sign-in failed", a.env.failure(failure)...)
	return plainError(prefix + failure.UserText())
}

// answer posts the result to the app, and shows errors to the user too, since the app may show only that the popup
// was closed. config_info goes to any origin, so that an app on a wrong origin can tell why it gets no other message.
// It holds only the expected origin.
func (h *handler) answer(w http.ResponseWriter, r *request, a attempt, response sessionResponse, err error) error {
	p := page{Title: "Signed in", Text: "You are signed in to Coder. You can close this window."}
	result := map[string]any{"type": "authorization_response"}
	if err != nil {
		e := apierror.From(err)
		result["error"] = map[string]string{"name": e.Name, "message": e.Message}
		p = page{Title: "Sign-in failed", Heading: "Sign-in failed", Text: e.Message}
	} else {
		result["response"] = response
	}
	p.Script = &script{
		Parent: true,
		Close:  100, // the interval at which Backstage's frontend checks whether the popup is closed
		Messages: []message{
			{Data: map[string]string{"type": "config_info", "targetOrigin": a.origin}, Origins: []string{"*"}},
			{Data: result, Origins: []string{a.origin}},
		},
	}
	w.Header().Set("X-Frame-Options", "sameorigin")
	return p.serve(w, r, http.StatusOK, frameType)
}
