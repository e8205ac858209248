package coder

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/plugin/coder/identity"
)

//go:embed page.html
var pageText string

// pageTemplate escapes every value for its place in the page.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what the end of a sign-in shows, and what it posts to the window that opened it.
type page struct {
	App     string // the title of the app
	AppURL  string // where the app is
	Title   string
	Heading string // may be empty
	Text    string // what happened, and what to do now
	Cause   string // for whoever is asked for help; may be empty
	Restart string // the URL that begins the sign-in again; may be empty
	Script  *script
	Nonce   string // set by serve
}

// script is the data of the page's script.
type script struct {
	Messages []message `json:"messages"`
	Parent   bool      `json:"parent"`          // post to the parent frame if there is no opener
	Close    int       `json:"close,omitempty"` // milliseconds; 0 leaves the window open
	Alone    string    `json:"alone"`           // replaces Text if there is no window to post to
	// Sure, if it is not empty, replaces Text if the window is known to be one that was posted to. Otherwise this one
	// stays open.
	Sure string `json:"sure,omitempty"`
}

// message is posted to the other window once for each origin that it may have. Browsers drop messages for other
// origins.
type message struct {
	Data    any      `json:"data"`
	Origins []string `json:"origins"`
}

// newPage returns a page that leads back to the app.
func (h *handler) newPage(title, text string) page {
	return page{App: h.settings.appTitle, AppURL: h.settings.appURL, Title: title, Text: text}
}

// page returns the page for the end of a sign-in of Backstage's frontend. fields are those of its state, or the
// parameters of its start: from them it is begun again, with the deep link if that is allowed.
func (h *handler) page(env string, fields map[string]string, err error) page {
	if err == nil {
		p := h.newPage("Signed in", "You are signed in to Coder. You can close this window.")
		return p
	}
	message := apierror.From(err).Message
	p := h.newPage("Sign-in failed", explanation(message, h.settings.appTitle))
	p.Heading, p.Cause = "Sign-in failed", message
	if _, ok := errors.AsType[*identity.Error](err); ok {
		p.Text = "You are signed in to Coder, but not to " + h.settings.appTitle + ", for the reason below. Start again later; if that does " +
			"not help, give it to the operator of " + h.settings.appTitle + "."
	}
	if _, known := h.environments[env]; !known || isForeign(message) {
		return p // it would end in the same way
	}
	query := url.Values{"env": {env}}
	if o, err := h.settings.checkOrigin(fields["origin"], apierror.Input); err == nil {
		query.Set("origin", o)
	}
	if to := fields["redirectUrl"]; fields["flow"] == "redirect" {
		if to == "" || h.settings.checkRedirect(to) != nil {
			to = h.settings.appURL
		}
		query.Set("flow", "redirect")
		query.Set("redirectUrl", to)
	}
	if scope := fields["scope"]; scope != "" {
		query.Set("scope", scope)
	}
	p.Restart = h.settings.mount + "/start?" + query.Encode()
	return p
}

// explanation says what a message of Backstage's means, and what to do.
func explanation(message, app string) string {
	switch {
	case message == "Invalid nonce":
		return "This sign-in was not started in this browser, has been used already, or was replaced by newer ones. Start it again."
	case message == "Auth response is missing cookie nonce":
		return "Your browser did not send back the cookie that this sign-in began with. Start it again, and allow cookies for this site."
	case strings.HasPrefix(message, "The sign-in took longer"):
		return "The sign-in took longer than ten minutes. Start it again."
	case strings.HasPrefix(message, "Authentication rejected"):
		return "The sign-in was cancelled or denied at Coder. Nothing has changed; you can start it again."
	case isForeign(message):
		return app + " runs at an address that this backend does not know, so it cannot be signed in there. Open it at its usual " +
			"address, or ask its operator to allow this one."
	case strings.HasPrefix(message, "OAuth state is invalid"):
		return "The answer of Coder does not belong to a sign-in that was started here. Start it again."
	case strings.HasPrefix(message, "Authentication failed"):
		return "Coder did not complete the sign-in. Start it again; if that does not help, ask the operator of " + app + "."
	}
	return "The sign-in could not be completed. Start it again from " + app + "; if that does not help, ask its operator."
}

// isForeign reports whether a message is about an app that may not sign in here.
func isForeign(message string) bool {
	return strings.HasPrefix(message, "Origin '") || strings.HasPrefix(message, "App origin")
}

// isNavigation reports whether a person opens a page with this request. Scripts get an answer for scripts.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodPost || r.Header.Get("X-Requested-With") != "" {
		return false
	}
	mode := cmp.Or(r.Header.Get("Sec-Fetch-Mode"), "navigate")
	return mode == "navigate" && strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// failPage answers a person with a page in place of the JSON of an error, and tells the app that opened it if its
// origin is allowed.
func (h *handler) failPage(w http.ResponseWriter, r *http.Request, err error) error {
	e, query := apierror.From(err), express.ParseQuery(r.URL.RawQuery)
	fields, _ := readState(stateParam(query))
	for _, name := range []string{"env", "origin", "flow", "redirectUrl", "scope"} {
		if value, ok := query.Lookup(name); ok {
			fields[name] = value
		}
	}
	p := h.page(fields["env"], fields, err)
	o, notAllowed := h.settings.checkOrigin(fields["origin"], apierror.Input)
	if fields["origin"] == "" {
		o, notAllowed = h.settings.appOrigin, nil
	}
	if notAllowed == nil {
		p.Script = &script{Parent: true, Messages: []message{{
			Data:    map[string]any{"type": "authorization_response", "error": map[string]string{"name": e.Name, "message": e.Message}},
			Origins: []string{o},
		}}}
	}
	return p.serve(w, &request{Request: r}, e.Status, express.HTML)
}

// serve writes the page. It may not be stored or framed, and runs no script but its own. A
// Cross-Origin-Opener-Policy would cut it off from its opener, so there is none.
func (p page) serve(w http.ResponseWriter, r *request, status int, contentType string) error {
	// The nonce differs for each answer, so that injected markup cannot know it.
	p.Nonce = rand.Text()
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil {
		return err
	}
	header := w.Header()
	noStore(header)
	header.Set("Content-Security-Policy", "default-src 'none';script-src 'nonce-"+p.Nonce+"';style-src 'nonce-"+p.Nonce+
		"';img-src data:;base-uri 'none';form-action 'none';frame-ancestors 'none'")
	express.Send(w, r.Request, status, contentType, body.Bytes())
	return nil
}
