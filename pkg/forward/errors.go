package forward

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
)

// StatusClosed is the status of a request whose client has gone, for the log. Nobody receives it. nginx has the same.
const StatusClosed = 499

// Status returns the status that stands for an error of r: 504 if the server does not answer, and 502 if its answer or its
// certificate cannot be used.
func Status(r *http.Request, err error) int {
	network, unverified, alert := net.Error(nil), (*tls.CertificateVerificationError)(nil), tls.AlertError(0)
	switch {
	case r.Context().Err() != nil:
		return StatusClosed
	case errors.As(err, &unverified), errors.As(err, &alert):
		return http.StatusBadGateway
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}
