package coder

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/js"
)

// frameType is Backstage's Content-Type of the frame page, which has no charset.
const frameType = "text/html"

// attempt is what the frame route finds out about the sign-in that it is called back for.
type attempt struct {
	env    *environment
	jar    *cookieJar
	origin string // that the answer is posted to; always an allowed one
	flow   flow   // empty until the state has been checked
}

// frame is GET and POST /handler/frame, where Coder sends the popup back to. Whatever comes of it is posted
// to the app and shown in the popup, with status 200 as in Backstage; only a request that cannot be told an
// environment is answered with JSON.
func (h *handler) frame(w http.ResponseWriter, r *http.Request) {
	query := parseQuery(r.URL.RawQuery)
	// Until an origin has been checked, the answer goes to app.baseUrl: a refused origin hears nothing.
	a := attempt{origin: h.settings.appOrigin}
	var err error
	if f := h.stateless(w, r); f.Env != "" {
		a.flow, a.env = f, h.environments[f.Env]
		if f.Origin != "" {
			a.origin = f.Origin
		}
		err = rejected(query, false)
	} else if a.env, err = h.environment(query); err != nil {
		h.fail(w, r, err)
		return
	}
	if r.Method == http.MethodHead { // never spends a code
		h.answer(w, r, a, sessionResponse{}, nil)
		return
	}
	var response sessionResponse
	if err == nil {
		err = h.checkAttempt(w, r, &a)
	}
	if err == nil {
		response, err = h.complete(r, &a)
	}
	// After the session has been stored, as in Backstage: the sign-in itself has worked.
	if err == nil && a.flow.Mode == "redirect" && a.flow.Redirect == "" {
		err = apierror.Input("No redirectUrl provided in request query parameters")
	}
	// Only the flow of a checked state redirects, never the state of the query. The target is checked again,
	// for the allowed origins may have changed since the start.
	if a.flow.Mode == "redirect" && a.flow.Redirect != "" && h.checkRedirect(a.flow.Redirect) == nil {
		redirect(w, r, a.flow.Redirect, err)
		return
	}
	h.answer(w, r, a, response, err)
}

// stateless returns the newest flow of this browser when Coder's answer is an error without a state, as older
// versions send it on Cancel: the flow tells which app is waiting. The flow itself stays, for nothing proves
// that the answer is about it.
func (h *handler) stateless(w http.ResponseWriter, r *http.Request) flow {
	query := parseQuery(r.URL.RawQuery)
	reason, _ := param(query, "error")
	if reason == "" || stateParam(query) != "" {
		return flow{}
	}
	jar := &cookieJar{sent: parseCookies(r.Header["Cookie"]), header: w.Header()}
	env, _ := param(query, "env")
	for _, f := range jar.pending(h.ring) {
		_, known := h.environments[f.Env]
		if known && (env == "" || env == f.Env) && (f.Origin == "" || h.settings.allows(f.Origin)) {
			return f
		}
	}
	return flow{}
}

// checkAttempt makes Backstage's checks in Backstage's order, and ours: the state is known in this browser,
// unchanged, unused, and of this environment. Then it is used up.
func (h *handler) checkAttempt(w http.ResponseWriter, r *http.Request, a *attempt) error {
	state := stateParam(parseQuery(r.URL.RawQuery))
	fields, err := readState(state)
	if err != nil {
		return err
	}
	if fields["origin"] != "" {
		o, err := h.checkOrigin(fields["origin"], apierror.NotAllowed)
		if err != nil {
			return err
		}
		a.origin = o
	}
	a.jar = h.jar(w, r, &a.env.app, a.origin)
	// Backstage's nonce cookie is of the latest start only, so it must be there but need not be equal: the
	// flow's own cookie proves more.
	missing := a.jar.get(nonceCookie) == ""
	f, expired, ok := a.jar.flow(h.ring, state)
	if missing || !ok || f.Env != a.env.name || f.Mode == bridgeMode {
		h.log.Warn("sign-in refused: the state is not one of this browser", zap.String("env", a.env.name),
			zap.Bool("expired", expired), zap.Bool("nonceCookieSent", !missing), zap.String("stateCookie", flowCookie(state)),
			zap.Bool("stateCookieSent", a.jar.sent[flowCookie(state)] != ""))
	}
	switch {
	case missing:
		return apierror.NotAllowed("Auth response is missing cookie nonce")
	case expired:
		return apierror.NotAllowed("The sign-in took longer than ten minutes, please try again")
	case !ok || f.Mode == bridgeMode:
		return apierror.NotAllowed("Invalid nonce")
	case f.Env != a.env.name:
		return apierror.NotAllowed("OAuth state is invalid, it belongs to another environment")
	}
	// Used up now, whatever comes: the code is spent at most once.
	a.jar.end(state)
	a.flow = f
	return nil
}

// complete spends the code of a checked attempt.
func (h *handler) complete(r *http.Request, a *attempt) (sessionResponse, error) {
	query := parseQuery(r.URL.RawQuery)
	// Coder's no goes before a code, as in passport.
	if err := rejected(query, true); err != nil {
		return sessionResponse{}, err
	}
	code, err := codeOf(query, r.PostForm)
	if err != nil {
		return sessionResponse{}, err
	}
	// The Accept header is the published module's.
	granted, err := a.env.exchange(r.Context(), code, a.flow.Verifier, "application/json")
	if err != nil {
		return sessionResponse{}, h.attemptFailed(a, "Authentication failed, ", err)
	}
	who, err := a.env.profile(r.Context(), granted.access)
	if err != nil {
		return sessionResponse{}, h.attemptFailed(a, "Authentication failed, the Coder user profile could not be read: ", err)
	}
	if granted.refresh != "" {
		h.setSession(a.jar, a.env, granted.refresh)
	}
	return newSessionResponse(granted, who), nil
}

// rejected is the error of an answer in which Coder, or the user there, said no. proven tells whether the
// answer came with the state of a flow.
func rejected(query url.Values, proven bool) error {
	if reason, _ := param(query, "error"); reason == "" {
		return nil
	}
	code, description := refusal(query, proven)
	switch {
	case code == "access_denied" && description == "":
		return plainError("Authentication rejected, the sign-in was cancelled or denied at Coder")
	case code == "access_denied":
		return plainError("Authentication rejected, " + description)
	case description == "":
		return plainError("Authentication failed, Coder answered with " + code)
	}
	return plainError("Authentication failed, " + description)
}

// codeOf returns the code from the query, else from the body.
func codeOf(query, body url.Values) (string, error) {
	// Coder uses the query; the body is for response_mode=form_post, which Backstage's route takes too.
	for _, values := range []url.Values{query, body} {
		if codes := slices.Concat(values["code"], values["code[]"]); len(codes) == 1 && codes[0] != "" {
			return codes[0], nil
		}
		if code, _ := param(values, "code"); code != "" {
			return "", plainError("Authentication failed, the answer holds more than one code")
		}
	}
	return "", plainError("Unexpected redirect")
}

// attemptFailed logs why Coder did not let the user in, and returns what the user may know of it.
func (h *handler) attemptFailed(a *attempt, prefix string, err error) error {
	upstream, ok := errors.AsType[*upstreamError](err)
	if !ok {
		return plainError(prefix + "internal error")
	}
	h.log.Error("sign-in failed", zap.String("env", a.env.name), zap.String("deployment", a.env.app.deployment),
		zap.Int("status", upstream.status), zap.String("error", upstream.Error()), zap.String("hint", upstream.hint()))
	// Coder's own words stay out: they may repeat what was sent.
	return plainError(prefix + upstream.says())
}

// plainError is JavaScript's Error: what Backstage shows for failures that are none of its own kinds.
func plainError(message string) *apierror.Error {
	return &apierror.Error{Status: http.StatusInternalServerError, Name: "Error", Message: message}
}

// answer posts the outcome to the app and shows it. config_info goes to anyone: it holds nothing but the
// origin, so that an app on another one learns why it hears nothing else.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, a attempt, response sessionResponse, err error) {
	// The reason is shown as well: an app that cannot be told says no more than that the popup was closed.
	p := page{Title: "Signed in", Text: "You are signed in to Coder. You can close this window."}
	result := map[string]any{"type": "authorization_response"}
	if err != nil {
		e := apierror.From(err)
		result["error"] = map[string]string{"name": e.Name, "message": e.Message}
		p = page{Title: "Sign-in failed", Heading: "Sign-in failed", Text: e.Message}
	} else {
		result["response"] = response
	}
	p.Tell = &tell{
		Parent: true,
		Close:  100, // the interval at which Backstage's frontend looks whether the popup is closed
		Messages: []message{
			{Data: map[string]string{"type": "config_info", "targetOrigin": a.origin}, Origins: []string{"*"}},
			{Data: result, Origins: []string{a.origin}},
		},
	}
	w.Header().Set("X-Frame-Options", "sameorigin")
	p.serve(w, r, http.StatusOK, frameType)
}

// redirect ends a redirect flow, with the error's message in the URL when there is one.
func redirect(w http.ResponseWriter, r *http.Request, target string, err error) {
	if err != nil {
		target = withError(target, apierror.From(err).Message)
	}
	target = encodeURL(target)
	quiet(w.Header())
	body, contentType := "Found. Redirecting to "+target, "text/plain; charset=utf-8"
	// express offers text before HTML, and takes HTML when that is what was asked for.
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "text/html") && !strings.Contains(accept, "text/plain") {
		body, contentType = "<p>Found. Redirecting to "+html.EscapeString(target)+"</p>", htmlUTF8
	}
	w.Header().Set("Location", target)
	w.Header().Add("Vary", "Accept")
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusFound)
	_, _ = w.Write([]byte(body))
}

// withError sets the error parameter of a URL, in its place when it has one. As JavaScript's URL does, it writes
// the others as a form does, and an empty path as a slash.
func withError(target, message string) string {
	target, fragment, _ := strings.Cut(target, "#")
	path, query, _ := strings.Cut(target, "?")
	if strings.Count(path, "/") == 2 && !strings.HasPrefix(path, "/") {
		path += "/"
	}
	parts, set := []string(nil), false
	for part := range strings.SplitSeq(query+"&error=", "&") {
		name, value, _ := strings.Cut(strings.ReplaceAll(part, "+", " "), "=")
		if part == "" || name == "error" && set {
			continue
		}
		if name == "error" {
			value, set = message, true
		}
		parts = append(parts, url.QueryEscape(js.DecodeURIComponent(name))+"="+url.QueryEscape(js.DecodeURIComponent(value)))
	}
	target = path + "?" + strings.Join(parts, "&")
	if fragment != "" {
		target += "#" + fragment
	}
	return target
}

// encodeURL escapes what must not stand in a Location header, as express does, and leaves the rest alone.
func encodeURL(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`{}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
