package dev

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/understudy-host/understudy/pkg/apierror"
)

// body is that of an answer. When the grace of its child is over, an event stream gets its regular end, so that its client
// connects again, to the new program. Any other answer is cut, so that nobody takes a part for the whole.
type body struct {
	io.ReadCloser
	child  *child
	events bool
	begun  *atomic.Int64 // those of this kind
	forget func() bool
	reset  func() // for a client that knows the end of an answer by that of the connection alone
}

func newBody(answer *http.Response, to *route) *body {
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	b := &body{ReadCloser: answer.Body, child: to.child, events: kind == "text/event-stream", begun: &to.child.answers, reset: func() {}}
	if b.events {
		b.begun = &to.child.events
	}
	if conn, ok := to.request.Context().Value(clientKey{}).(*client); ok && !to.request.ProtoAtLeast(1, 1) {
		b.reset = conn.reset
	}
	b.begun.Add(1)
	b.forget = func() bool { return false }
	if b.events || to.child.over.Err() == nil { // what begins while the child shuts down may take that long
		b.forget = context.AfterFunc(to.child.over, to.cancel)
	}
	return b
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if b.events && b.child.over.Err() != nil {
		return n, io.EOF
	}
	b.reset()
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.forget()
	b.begun.Add(-1)
	return b.ReadCloser.Close()
}

// endTime is how long after the end of its connections the end of a process is noticed.
const endTime = 100 * time.Millisecond

// fail answers a request that the child has not answered. What the child does to a connection is done to the client's,
// unless the child was on its way out.
func (x *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	c := r.Context().Value(routeKey{}).(*route).child
	if c.over.Err() != nil {
		x.parent.refuse(w, r, &apierror.Error{
			Status: http.StatusGatewayTimeout, Name: "GatewayTimeoutError", Message: "The program was reloaded, and the old one has not answered before its end",
		})
		return
	}
	dial, ok := errors.AsType[*net.OpError](err)
	select {
	case <-c.exited:
	case <-time.After(endTime):
		if c.end.Err() == nil && (!ok || dial.Op != "dial") {
			panic(http.ErrAbortHandler)
		}
	}
	x.parent.refuse(w, r, &apierror.Error{
		Status: http.StatusBadGateway, Name: "BadGatewayError", Message: "The program has ended before it has answered",
	})
}
