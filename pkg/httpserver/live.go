package httpserver

import (
	"crypto/tls"
	"net/http"
	"sync/atomic"
	"time"
)

// Live is a handler and a certificate that change while a server uses them, and the delay of its shutdown. Use must be called once before.
type Live struct {
	handler     atomic.Pointer[http.Handler]
	certificate atomic.Pointer[tls.Config]
	delay       atomic.Int64
}

// Use makes handler, and the certificate of o, those of all requests and connections from now on. A self-signed
// certificate is not replaced by another self-signed one: people have told their browsers to trust it.
func (l *Live) Use(o Options, handler http.Handler) {
	l.handler.Store(&handler)
	l.delay.Store(int64(o.ShutdownDelay))
	if !o.selfSigned || l.certificate.Load() == nil {
		l.certificate.Store(o.TLS)
	}
}

// ShutdownDelay returns the delay of the newest options.
func (l *Live) ShutdownDelay() time.Duration { return time.Duration(l.delay.Load()) }

// ServeHTTP implements http.Handler.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*l.handler.Load()).ServeHTTP(w, r) }

// TLS returns the TLS configuration for Serve, nil for plain HTTP. Which of the two it is does not change.
func (l *Live) TLS() *tls.Config {
	first := l.certificate.Load()
	if first == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         first.MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.certificate.Load(), nil },
	}
}
