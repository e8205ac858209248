package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/understudy-host/understudy/pkg/httpclient"
)

// Hint returns a text that tells an operator where to look, or "".
func (e *Error) Hint() string {
	switch {
	case e.Code == "invalid_client":
		return "check clientId, clientSecret and tokenEndpointAuthMethod"
	case e.Code == "invalid_grant" && e.operation == exchanging:
		return "the code has been used or has expired, the callback URL differs from the registered one, or Coder " +
			"requires PKCE, which a legacy frontend sends only if its accessUrl points at this backend"
	case e.Code == "invalid_grant":
		return "the session has ended"
	case e.Code == "invalid_request" && e.operation != exchanging:
		return "this version of Coder does not know a parameter, which may be scope: leave additionalScopes empty, or update Coder"
	case e.Status == http.StatusForbidden && e.Code == "" && e.operation != readingProfile:
		return "Coder may need --experiments oauth2"
	case e.Status >= 300 && e.Status < 400:
		return "redirects are not followed: the deployment URL must be the final one"
	case e.Kind == Malformed:
		return "check that the deployment URL is that of Coder"
	case e.Kind == Busy:
		return "too many calls to Coder at once: see why it is slow, or raise coder.oauth.maxConcurrentCalls"
	case errors.Is(e.err, context.Canceled):
		return "the browser went away before Coder was asked"
	case e.Kind == Unreachable || e.Kind == Timeout:
		return connectionHint(e.err)
	}
	return ""
}

// connectionHint tells an operator why a connection was not made.
func connectionHint(err error) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		switch {
		case invalid.Reason != x509.Expired:
			return "Coder's certificate, or one above it, is not made for this use: ask who issued it"
		case invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore):
			return "Coder's certificate, or one above it, is not valid yet: check the clock of this host, or wait"
		}
		return "Coder's certificate, or one above it, has expired: renew it, and check the clock of this host"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the authority that signed Coder's certificate is not trusted here: put its certificate, in PEM, into the " +
			"file that NODE_EXTRA_CA_CERTS names, or have Coder send the certificates between"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "Coder's certificate is for another host name: the deployment URL must have a name that the certificate has"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS at that port: the deployment URL may have to begin with http, or have another port"
	}
	_, refused := errors.AsType[*httpclient.ProxyError](err)
	if operation, ok := errors.AsType[*net.OpError](err); refused || ok && operation.Op == "proxyconnect" {
		return "check HTTPS_PROXY, and NO_PROXY if Coder is to be reached without the proxy"
	}
	return "check the deployment URL and the network between this host and Coder, and HTTPS_PROXY if there is a proxy"
}
