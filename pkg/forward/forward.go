// Package forward passes requests on to another server, on net/http/httputil's ReverseProxy: bodies are streamed both
// ways, events are flushed at once, connections are upgraded, and the answer's headers do not mix with those of this
// server until the answer is known. What is sent, and what may come back, is for the caller to decide.
package forward

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/logging"
)

// patience is how long a client may neither send nor take anything that is due. A stream that has nothing to send is not
// limited.
const patience = time.Minute

// Options say how requests are passed on.
type Options struct {
	Transport http.RoundTripper
	Rewrite   func(*httputil.ProxyRequest)
	Answer    func(*http.Response) error                              // changes an answer's header, also that of an upgrade
	Fail      func(w http.ResponseWriter, r *http.Request, err error) // answers a request that has no answer
	Log       *zap.Logger

	// Whole passes answers on as they are, with informational answers and trailers. Otherwise those are left out, and the
	// headers that this server's own layers have set stay.
	Whole bool
}

// New returns a handler. When ctx ends, it closes the connections that it has upgraded and breaks event streams off: they have
// no end of their own.
func New(ctx context.Context, o Options) http.Handler {
	reverse := &httputil.ReverseProxy{
		Transport: o.Transport, Rewrite: o.Rewrite, ErrorHandler: o.Fail,
		ModifyResponse: func(answer *http.Response) error {
			if isEventStream(answer.Header) && answer.StatusCode != http.StatusSwitchingProtocols {
				body := answer.Body
				answer.Body = &events{body, context.AfterFunc(ctx, func() { _ = body.Close() })}
			}
			if o.Answer == nil {
				return nil
			}
			return o.Answer(answer)
		},
		ErrorLog: logging.ServerErrors(o.Log), BufferPool: &buffers{},
	}
	if o.Whole {
		reverse.FlushInterval = -1 // an answer of a known length may come slowly too
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Time{}) // the server's own limits are not for streams
		hasBody, upgrades := r.Body != nil && r.ContentLength != 0, r.Header.Get("Upgrade") != ""
		if hasBody || upgrades {
			within, cancel := context.WithCancel(r.Context())
			defer cancel()
			r = r.WithContext(within)
			if upgrades {
				stop := context.AfterFunc(ctx, cancel)
				defer stop()
			}
			if hasBody {
				_ = control.EnableFullDuplex() // an answer may begin before the body ends
				_ = control.SetReadDeadline(time.Now().Add(patience))
				r.Body = &body{r.Body, control, cancel}
			}
		}
		if o.Whole {
			reverse.ServeHTTP(&whole{w, control}, r)
			return
		}
		reverse.ServeHTTP(&answer{ResponseWriter: w, control: control, header: make(http.Header)}, r)
	})
}

// events is the body of an event stream.
type events struct {
	io.ReadCloser
	stop func() bool
}

func (e *events) Close() error {
	e.stop()
	return e.ReadCloser.Close()
}

// body is the body of a request. A client that stops sending is given up, and so is its request.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	cancel  context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(patience))
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) { // otherwise the deadline would end the wait for the answer
		_ = b.control.SetReadDeadline(time.Time{})
	} else if err != nil {
		b.cancel()
	}
	return n, err
}

// buffers is a pool of the buffers that answers are copied with.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
