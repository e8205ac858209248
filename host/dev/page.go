package dev

import (
	_ "embed"
	"html/template"
	"io"
	"net/http"
	"strings"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/logging"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// refuse answers a request that has no answer of the child, as a Backstage backend does.
func (p *parent) refuse(w http.ResponseWriter, r *http.Request, err *apierror.Error) {
	w.Header().Set("Cache-Control", "no-store")
	apierror.Write(w, r, logging.URL(r.RequestURI), err)
}

// explain answers a request while no child serves: a page for people, which reloads itself, or the same as text.
func (p *parent) explain(w http.ResponseWriter, r *http.Request) {
	title, text := "The backend is being built", ""
	if trouble := p.trouble.Load(); trouble != nil {
		title, text = "The backend does not run", *trouble
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Retry-After", "1")
	header.Set("X-Content-Type-Options", "nosniff")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		header.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, strings.TrimSpace(title+"\n"+text)+"\n")
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = page.Execute(w, map[string]string{"Title": title, "Text": text})
}
