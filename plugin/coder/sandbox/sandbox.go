package sandbox

import (
	"cmp"
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

	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/pkg/memo"
	"github.com/understudy-host/understudy/plugin"
)

// Options say where the sandbox listens and whom it serves.
type Options struct {
	// CoderAddr and DemoAddr are "host:port" with a loopback host. Port 0 is any free port. "localhost" is
	// 127.0.0.1 and, if the machine has it, ::1.
	CoderAddr, DemoAddr string

	// BackendURL is the host's backend.baseUrl, for sign-ins from the demo page.
	BackendURL string

	// Client is the one OAuth2 application that the stand-in knows.
	Client Client

	// PKCEOptional allows requests without code_challenge, as older versions of Coder do.
	PKCEOptional bool

	// CancelWithoutState makes Cancel redirect with only error=access_denied, as older versions of Coder do.
	CancelWithoutState bool

	AccessTokenTTL time.Duration // 0 is 24 hours, Coder's default

	Listen plugin.Listen // nil is net.Listen
	Memo   *memo.Store   // keeps codes and tokens; nil keeps them until Close

	Now    func() time.Time // nil is time.Now
	Logger *zap.Logger      // nil logs nothing

	// Middleware, if not nil, wraps the stand-in's handler. Tests inject faults with it.
	Middleware func(http.Handler) http.Handler
}

// Client is an OAuth2 application that is registered in Coder.
type Client struct {
	ID, Secret string

	// RedirectURIs have to match exactly. The first is for requests without a redirect URI.
	RedirectURIs []string
}

// Sandbox is a running stand-in and demo app.
type Sandbox struct {
	coderURL, demoURL string
	servers           []*httpserver.Server
	serving           sync.WaitGroup
}

// Open starts both servers and returns when they accept connections. It fails if NODE_ENV is production, or if an address
// is not a loopback address or is in use. The caller must call Close.
func Open(o Options) (*Sandbox, error) {
	if os.Getenv("NODE_ENV") == "production" {
		return nil, errors.New("sandbox: refused: NODE_ENV is production, and the sandbox lets anybody sign in; " +
			"set understudy.sandbox.enabled to false")
	}
	for _, raw := range append([]string{o.BackendURL}, o.Client.RedirectURIs...) {
		if u, err := url.Parse(raw); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("sandbox: %q is not an http or https URL", logging.URL(raw))
		}
	}
	if o.Client.ID == "" || o.Client.Secret == "" || len(o.Client.RedirectURIs) == 0 {
		return nil, errors.New("sandbox: the client needs an ID, a secret and a redirect URI")
	}
	o.AccessTokenTTL, o.Logger = cmp.Or(o.AccessTokenTTL, 24*time.Hour), cmp.Or(o.Logger, zap.NewNop())
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Listen == nil {
		o.Listen = func(ctx context.Context, _, address string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", address)
		}
	}
	database, err := newStore(o)
	if err != nil {
		return nil, err
	}
	coder, coderURL, err := o.listen("coder", "coder.deployment.accessUrl", o.CoderAddr)
	if err != nil {
		return nil, err
	}
	demo, demoURL, err := o.listen("demo", "app.baseUrl", o.DemoAddr)
	if err != nil {
		for _, l := range coder {
			_ = l.Close()
		}
		return nil, err
	}
	s := &Sandbox{coderURL: coderURL, demoURL: demoURL}
	handler := newStandIn(o, database, coderURL, demoURL)
	if o.Middleware != nil {
		handler = o.Middleware(handler)
	}
	s.serve(o.Logger, handler, coder)
	s.serve(o.Logger, s.demoApp(o), demo)
	return s, nil
}

// CoderURL is the stand-in's access URL, "http://localhost:7080".
func (s *Sandbox) CoderURL() string { return s.coderURL }

// DemoURL is the origin of the demo app, "http://localhost:3000".
func (s *Sandbox) DemoURL() string { return s.demoURL }

// Close stops both servers. It waits for requests in flight until ctx ends, and for at most two seconds, and cuts them
// off then: browsers keep idle connections open. Its error is always nil; it has the form of a shutdown hook.
func (s *Sandbox) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, server := range s.servers {
		_ = server.Shutdown(ctx)
	}
	s.serving.Wait()
	return nil
}

func (s *Sandbox) serve(logger *zap.Logger, handler http.Handler, listeners []net.Listener) {
	for _, l := range listeners {
		server := httpserver.Serve(l, nil, logger, loopbackHostOnly(handler))
		s.servers = append(s.servers, server)
		s.serving.Go(func() {
			if err := <-server.Done(); !errors.Is(err, http.ErrServerClosed) {
				logger.Error("sandbox stopped serving", zap.String("address", l.Addr().String()), zap.Error(err))
			}
		})
	}
}
