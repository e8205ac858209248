package proxy

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"

	"go.uber.org/zap"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/forward"
	"github.com/understudy-host/understudy/pkg/httpclient"
	"github.com/understudy-host/understudy/pkg/logging"
)

// endpoint passes requests on to one target.
type endpoint struct {
	options
	mount    string
	pages    pages
	log      *zap.Logger
	request  headerSet   // what the target may get of a client
	response headerSet   // what a client may get of the target
	added    http.Header // what the target gets from the configuration
	host     string      // the Host that is configured, or ""
	forward  http.Handler
}

// newEndpoint returns an endpoint. When ctx ends, its connections are closed.
func newEndpoint(ctx context.Context, o options, s *settings, log *zap.Logger) (*endpoint, error) {
	e := &endpoint{options: o, mount: s.mount, pages: s.pages, added: make(http.Header), log: log.With(zap.String("route", o.route))}
	e.response = newHeaderSet(safeHeaders, []string{"Content-Encoding"}, o.allowedHeaders)
	e.request = newHeaderSet(safeHeaders, o.allowedHeaders)
	if o.credentials == credentialsForward {
		e.request["Authorization"] = true
	}
	for name, text := range o.headers {
		if name == "host" && o.changeOrigin { // as in http-proxy: only this spelling gives way
			continue
		}
		e.added.Set(name, text)
		delete(e.request, http.CanonicalHeaderKey(name))
	}
	e.host = e.added.Get("Host")
	for _, name := range append([]string{"Host"}, connectionHeaders...) {
		e.added.Del(name)
	}
	transport, warning := httpclient.NewOnce(httpclient.Options{Insecure: !o.secure, AnswerTimeout: o.timeout})
	if warning != nil {
		log.Warn(warning.Error())
	}
	context.AfterFunc(ctx, transport.CloseIdleConnections)
	e.forward = forward.New(ctx, forward.Options{
		Transport: transport, Rewrite: e.rewriteRequest, Answer: e.filterAnswer, Fail: e.fail, Log: e.log,
	})
	return e, nil
}

// takes reports whether a method is passed on.
func (e *endpoint) takes(method string) bool {
	return e.allowedMethods == nil || slices.Contains(e.allowedMethods, method)
}

// isOpenFor reports whether the endpoint takes the requests of everybody for a path.
func (e *endpoint) isOpenFor(path string) bool {
	_, ok := e.match(path)
	return ok && e.credentials == credentialsNone
}

// serve passes a request on. rest is its path below the route.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request, rest string) {
	query := ""
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		query = "?" + r.URL.RawQuery
	}
	path, err := e.outgoing(rest, query)
	if err != nil {
		e.log.Error("a pathRewrite takes too long", zap.Error(err))
		e.refuse(w, r, http.StatusInternalServerError, "the path cannot be rewritten")
		return
	}
	if isWebSocket(r) && !e.pages.mayUpgrade(r) {
		apierror.Write(w, r, logging.URL(r.URL.RequestURI()), apierror.NotAllowed("This origin may not open a WebSocket"))
		return
	}
	passed := *r
	passed.URL = &url.URL{Scheme: e.target.Scheme, Host: e.target.Host, Opaque: path}
	e.forward.ServeHTTP(w, &passed)
}

// rewriteRequest puts the headers together that the target gets.
func (e *endpoint) rewriteRequest(r *httputil.ProxyRequest) {
	upgrade := r.Out.Header["Upgrade"]
	header := make(http.Header, 8)
	e.request.copyTo(header, r.In.Header)
	if given := header["Authorization"]; len(given) > 1 {
		header["Authorization"] = given[:1] // as in Node: the one that credentials are read from
	}
	maps.Copy(header, e.added)
	if isWebSocket(r.In) {
		header["Connection"], header["Upgrade"] = []string{"Upgrade"}, upgrade
		webSocketHeaders.copyTo(header, r.In.Header)
	}
	r.Out.Header = header
	if e.changeOrigin || e.host != "" {
		r.Out.Host = e.host // "" is the target's
	}
}

// filterAnswer removes the headers that a client does not get.
func (e *endpoint) filterAnswer(answer *http.Response) error {
	location := ""
	if leads := answer.StatusCode == http.StatusCreated || answer.StatusCode/100 == 3; leads && !e.response["Location"] {
		location = e.location(answer)
	}
	all := answer.Header
	answer.Header = make(http.Header, 8)
	e.response.copyTo(answer.Header, all)
	if answer.StatusCode == http.StatusSwitchingProtocols {
		answer.Header["Connection"], answer.Header["Upgrade"] = all["Connection"], all["Upgrade"]
		webSocketHeaders.copyTo(answer.Header, all)
	} else {
		answer.Trailer, answer.Body = nil, untrailed{answer.Body, answer}
	}
	if location != "" {
		answer.Header.Set("Location", location)
	}
	return nil
}

// untrailed is the body of an answer whose trailers are left out.
type untrailed struct {
	io.ReadCloser
	answer *http.Response
}

func (u untrailed) Close() error {
	err := u.ReadCloser.Close()
	u.answer.Trailer = nil
	return err
}

// reasons are what clients are told by status. They repeat nothing of the request.
var reasons = map[int]string{
	http.StatusBadGateway:     "the target's answer cannot be used",
	http.StatusGatewayTimeout: "the target does not answer",
}

// fail answers a request that has no answer of the target.
func (e *endpoint) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := forward.Status(r, err)
	if status == forward.StatusClosed {
		e.log.Debug("the client has gone", zap.Error(err))
		w.WriteHeader(status)
		return
	}
	e.log.Warn("error occurred while proxying a request: look for the target, its address and its certificate",
		zap.String("target", e.origin()), zap.String("method", r.Method), zap.Int("status", status), zap.Error(err))
	e.refuse(w, r, status, reasons[status])
}

func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, status int, reason string) {
	express.Send(w, r, status, express.Plain, []byte("Error occurred while trying to proxy: "+reason))
}
