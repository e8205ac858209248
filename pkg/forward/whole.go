package forward

import (
	"net/http"
	"time"
)

// whole is the response writer for answers that are passed on as they are.
type whole struct {
	http.ResponseWriter
	control *http.ResponseController
}

// WriteHeader writes the header of the answer, or of an informational one. net/http adds no Content-Type of its own.
func (a *whole) WriteHeader(status int) {
	if header := a.Header(); status >= http.StatusOK && header["Content-Type"] == nil {
		header["Content-Type"] = nil
	}
	_ = a.control.SetWriteDeadline(time.Now().Add(patience))
	a.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body. A client that does not take it is given up.
func (a *whole) Write(p []byte) (int, error) {
	_ = a.control.SetWriteDeadline(time.Now().Add(patience))
	return a.ResponseWriter.Write(p)
}

// FlushError sends what was written to the client.
func (a *whole) FlushError() error {
	_ = a.control.SetWriteDeadline(time.Now().Add(patience))
	return a.control.Flush()
}

// Unwrap lets http.ResponseController reach what is below.
func (a *whole) Unwrap() http.ResponseWriter { return a.ResponseWriter }
