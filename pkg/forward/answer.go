package forward

import (
	"mime"
	"net/http"
	"time"

	"github.com/understudy-host/understudy/pkg/express"
)

// answer is the response writer that ReverseProxy gets. It keeps the header apart until it is written: with each
// informational answer of the server, ReverseProxy empties the header, and what this server's own layers have put there
// would be lost.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	header  http.Header
	begun   bool // the header is written
	wrote   bool // a part of the body is written
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader writes the header of the answer. Informational answers are left out: a client did not ask for any. net/http adds
// no Content-Type of its own.
func (a *answer) WriteHeader(status int) {
	if status < http.StatusOK || a.begun {
		return
	}
	a.begun = true
	header := a.ResponseWriter.Header()
	for name, values := range a.header {
		if name == "Vary" { // that of this server's own layers still counts
			for _, value := range values {
				express.AddVary(header, value)
			}
			continue
		}
		header[name] = values
	}
	if header["Content-Type"] == nil {
		header["Content-Type"] = nil
	}
	_ = a.control.SetWriteDeadline(time.Now().Add(patience))
	a.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body. A client that does not take it is given up.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.wrote = true
	_ = a.control.SetWriteDeadline(time.Now().Add(patience))
	return a.ResponseWriter.Write(p)
}

// FlushError sends what was written to the client. Before the body begins, only an event stream is flushed: a flush decides
// that an answer is not compressed.
func (a *answer) FlushError() error {
	if !a.wrote && !isEventStream(a.header) {
		return nil
	}
	_ = a.control.SetWriteDeadline(time.Now().Add(patience))
	return a.control.Flush()
}

func isEventStream(header http.Header) bool {
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return media == "text/event-stream"
}

// Unwrap lets http.ResponseController reach what is below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
