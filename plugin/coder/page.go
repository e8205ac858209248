package coder

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"

	"github.com/understudy-host/understudy/pkg/express"
)

//go:embed page.html
var pageText string

// pageTemplate escapes every value for its place in the page.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what a sign-in popup shows, and what it posts to the window that opened it.
type page struct {
	Title   string
	Heading string // may be empty
	Text    string
	Script  *script // nil for a page without a script
	Nonce   string  // set by serve
}

// script is the data of the page's script.
type script struct {
	Messages []message `json:"messages"`
	Parent   bool      `json:"parent"`          // post to the parent frame if there is no opener
	Close    int       `json:"close,omitempty"` // milliseconds; 0 leaves the window open
	Alone    string    `json:"alone"`           // replaces Text if there is no window to post to
}

// message is posted to the other window once for each origin that it may have. Browsers drop messages for other
// origins.
type message struct {
	Data    any      `json:"data"`
	Origins []string `json:"origins"`
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
