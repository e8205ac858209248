package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Options say where the sandbox listens and whom it serves.
type Options struct {
	// CoderAddr and DemoAddr are "host:port" with a loopback host. Port 0 picks a free one; "localhost"
	// listens on 127.0.0.1 and, where there is one, on ::1.
	CoderAddr, DemoAddr string

	// BackendURL is the host's backend.baseUrl, which the demo page signs in through.
	BackendURL string

	// APIBaseURL is where the demo page reads Coder's API, without the version: for the host's proxy
	// "http://localhost:7007/api/proxy/coder/api". Empty is the demo app's own /coder-api, which passes on
	// to the stand-in.
	APIBaseURL string

	// Client is the one OAuth2 application that the stand-in knows.
	Client Client

	// PKCEOptional lets a request without code_challenge through, as Coder did before it demanded PKCE.
	PKCEOptional bool

	// CancelWithoutState makes Cancel redirect with error=access_denied alone, as older versions of Coder do.
	CancelWithoutState bool

	AccessTokenTTL time.Duration // 0 is 24 hours, Coder's default
	CodeTTL        time.Duration // 0 is 10 minutes, Coder's default

	Now    func() time.Time // nil is time.Now
	Logger *zap.Logger      // nil logs nothing

	// Middleware wraps the stand-in's handler when it is not nil. Tests inject faults with it.
	Middleware func(http.Handler) http.Handler
}

// Client is an OAuth2 application as it is registered in Coder.
type Client struct {
	ID, Secret string
	Name       string // shown on the consent page; empty is "Backstage"

	// RedirectURIs are matched to the character, except that the port of an http loopback URI is not
	// compared. The first is used when a request names none.
	RedirectURIs []string
}

// Sandbox is a running stand-in and demo app.
type Sandbox struct {
	coderURL, demoURL string
	servers           []*http.Server
	proxies           http.Transport // of the demo app, to the stand-in
	serving           sync.WaitGroup
}

// Open starts both servers and returns once they accept connections. It refuses when NODE_ENV is production,
// when an address is not a loopback one, and when an address is in use; what else is wrong with o is reported
// all at once. The caller must Close what it returns.
func Open(o Options) (*Sandbox, error) {
	if os.Getenv("NODE_ENV") == "production" {
		return nil, errors.New("sandbox: refused: NODE_ENV is production, and the sandbox lets anybody sign in; " +
			"set understudy.sandbox.enabled to false")
	}
	if err := o.normalize(); err != nil {
		return nil, err
	}
	s := &Sandbox{proxies: http.Transport{ResponseHeaderTimeout: 10 * time.Second}}
	coder, coderURL, err := listen("coder", o.CoderAddr)
	if err != nil {
		return nil, err
	}
	demo, demoURL, err := listen("demo", o.DemoAddr)
	if err != nil {
		closeAll(coder)
		return nil, err
	}
	s.coderURL, s.demoURL = coderURL, demoURL

	handler := newStandIn(o, coderURL, demoURL)
	if o.Middleware != nil {
		handler = o.Middleware(handler)
	}
	s.serve(o.Logger, handler, coder)
	s.serve(o.Logger, s.demoApp(o), demo)
	o.Logger.Info("sandbox is listening", zap.String("coder", coderURL), zap.String("demo", demoURL))
	return s, nil
}

// CoderURL is the stand-in's access URL, "http://localhost:7080".
func (s *Sandbox) CoderURL() string { return s.coderURL }

// DemoURL is the origin of the demo app, "http://localhost:3000".
func (s *Sandbox) DemoURL() string { return s.demoURL }

// Close stops both servers. Requests in flight have until ctx ends, but no more than two seconds: browsers keep
// connections open on which nothing is asked.
func (s *Sandbox) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var errs []error
	for _, server := range s.servers {
		if server.Shutdown(ctx) != nil {
			errs = append(errs, server.Close())
		}
	}
	s.proxies.CloseIdleConnections()
	s.serving.Wait()
	return errors.Join(errs...)
}

// normalize fills in defaults and reports every mistake in o.
func (o *Options) normalize() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf("sandbox: "+format, args...)) }
	for _, addr := range []struct{ what, value string }{{"coder", o.CoderAddr}, {"demo", o.DemoAddr}} {
		if !isLoopback(addr.value) {
			add("refused: %s address %q is not a loopback address, and the sandbox lets anybody sign in; "+
				"expected localhost:<port> or 127.0.0.1:<port>", addr.what, addr.value)
		}
	}
	if !isWebURL(o.BackendURL) {
		add("backend URL %q is not an http or https URL", o.BackendURL)
	}
	if o.APIBaseURL != "" && !isWebURL(o.APIBaseURL) {
		add("API base URL %q is not an http or https URL", o.APIBaseURL)
	}
	if o.Client.ID == "" || o.Client.Secret == "" {
		add("the client needs an ID and a secret")
	}
	if len(o.Client.RedirectURIs) == 0 {
		add("the client needs a redirect URI")
	}
	for _, uri := range o.Client.RedirectURIs {
		if !isWebURL(uri) {
			add("redirect URI %q is not an http or https URL", uri)
		}
	}
	if o.Client.Name == "" {
		o.Client.Name = "Backstage"
	}
	if o.AccessTokenTTL == 0 {
		o.AccessTokenTTL = 24 * time.Hour
	}
	if o.CodeTTL == 0 {
		o.CodeTTL = 10 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return errors.Join(errs...)
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Fragment == ""
}

func (s *Sandbox) serve(logger *zap.Logger, handler http.Handler, listeners []net.Listener) {
	errorLog, _ := zap.NewStdLogAt(logger, zap.WarnLevel) // fails for an unknown level only
	server := &http.Server{
		Handler:           loopbackHostOnly(handler),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          errorLog,
	}
	s.servers = append(s.servers, server)
	for _, l := range listeners {
		s.serving.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				logger.Error("sandbox stopped serving", zap.String("address", l.Addr().String()), zap.Error(err))
			}
		})
	}
}
