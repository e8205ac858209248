package httpserver

import (
	"bufio"
	"net"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// Recorder is a response writer that remembers what was answered. It is an http.Flusher and an http.Hijacker, and
// an http.ResponseController reaches what is below it: handlers can stream, take over the connection and move
// deadlines as if there were nothing between them and net/http.
type Recorder struct {
	http.ResponseWriter
	status int                                  // 0 until the answer begins
	bytes  int64                                // of the body
	before func(header http.Header, status int) // nil, or runs once, just before the header is written
}

// Record returns w if it is a Recorder, otherwise a new Recorder on top of w.
func Record(w http.ResponseWriter) *Recorder {
	if recorder, ok := w.(*Recorder); ok {
		return recorder
	}
	return &Recorder{ResponseWriter: w}
}

// Begun reports whether the answer has begun: its status cannot be changed any more. Informational answers such
// as 103 do not count.
func (w *Recorder) Begun() bool { return w.status != 0 }

// WriteHeader writes the header.
func (w *Recorder) WriteHeader(status int) {
	if !w.Begun() && status >= http.StatusOK {
		w.status = status
		if w.before != nil {
			w.before(w.Header(), status)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body, after a header with status 200 if there was none.
func (w *Recorder) Write(body []byte) (int, error) {
	if !w.Begun() {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(body)
	w.bytes += int64(n)
	return n, err
}

// Flush sends what has been written so far to the client, even if it is only the header.
func (w *Recorder) Flush() {
	if !w.Begun() {
		w.WriteHeader(http.StatusOK)
	}
	if w.bytes == 0 { // gzhttp holds the header back until it knows whether to compress
		w.Header().Set(gzhttp.HeaderNoCompression, "1")
		_, _ = w.ResponseWriter.Write(nil)
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack gives the connection to the caller, for a WebSocket for example. It counts as an answer with status 101.
func (w *Recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	connection, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && !w.Begun() {
		w.status = http.StatusSwitchingProtocols
	}
	return connection, buffered, err
}

// Unwrap lets http.ResponseController reach what is below.
func (w *Recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
