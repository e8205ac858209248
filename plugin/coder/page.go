package coder

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
)

//go:embed page.html
var pageText string

// pageTemplate is parsed once. What goes into it is escaped by html/template for the place where it stands.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what a sign-in popup shows, and what it tells the window that opened it.
type page struct {
	Title   string
	Heading string // may be empty
	Text    string
	Tell    *tell // nil for a page without a script
	Nonce   string
}

// tell is data for the page's script.
type tell struct {
	Messages []message `json:"messages"`
	Parent   bool      `json:"parent"`          // without an opener the parent frame is told
	Close    int       `json:"close,omitempty"` // milliseconds; 0 leaves the window open
	Alone    string    `json:"alone"`           // replaces Text when nobody can be told
}

// message goes to the other window, for each of the origins that it may have. One that it does not have gets
// nothing.
type message struct {
	Data    any      `json:"data"`
	Origins []string `json:"origins"`
}

// serve writes the page. Nothing of it may be stored, framed, or run but its own script; there is no
// Cross-Origin-Opener-Policy, which would cut it off from its opener.
func (p page) serve(w http.ResponseWriter, r *http.Request, status int, contentType string) {
	// A new nonce for each answer: a page that is put together by somebody else cannot know it.
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	p.Nonce = base64.RawURLEncoding.EncodeToString(random)
	// Into a buffer first: an answer that fails half-way would have been sent with status 200.
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	quiet(header)
	header.Set("Content-Type", contentType)
	header.Set("Content-Security-Policy", "default-src 'none';script-src 'nonce-"+p.Nonce+"';style-src 'nonce-"+p.Nonce+
		"';img-src data:;base-uri 'none';form-action 'none';frame-ancestors 'none'")
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes())
	}
}

// quiet marks an answer that holds a token, or is about one: not stored, not compressed, without an ETag.
func quiet(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
}
