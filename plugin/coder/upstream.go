package coder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// kind tells what went wrong between us and Coder.
type kind int

// The kinds of failure. Who is to blame decides what the user reads and whether a session is over.
const (
	refused     kind = iota // Coder understood and said no
	unreachable             // no connection, or it broke
	timedOut                // no whole answer in time
	trouble                 // a 5xx, 429 or another answer that says nothing about the request
	nonsense                // a 2xx that is not what it should be
)

// upstreamError is a failed call to Coder. It holds Coder's status and error code, and never its body: what
// Coder writes there may repeat what we sent.
type upstreamError struct {
	kind   kind
	doing  string // "exchanging the code"
	status int    // 0 when there was no answer
	code   string // the OAuth2 error code (RFC 6749, section 5.2), or ""
	err    error
}

// Error is for the log: what was tried, and how it failed.
func (e *upstreamError) Error() string {
	var b strings.Builder
	b.WriteString(e.doing + " at Coder: ")
	switch {
	case e.code != "":
		fmt.Fprintf(&b, "error %s (status %d)", e.code, e.status)
	case e.kind == timedOut:
		b.WriteString("no answer in time")
	case e.err == nil:
		fmt.Fprintf(&b, "status %d", e.status)
	case e.status != 0:
		fmt.Fprintf(&b, "status %d, %v", e.status, e.err)
	default:
		b.WriteString(e.err.Error())
	}
	return b.String()
}

// Unwrap returns the cause, from which addresses and bodies have been taken out where they were.
func (e *upstreamError) Unwrap() error { return e.err }

// says is what a user may read: a fixed text, with Coder's error code at most.
func (e *upstreamError) says() string {
	switch {
	case e.kind == unreachable:
		return "the Coder deployment cannot be reached"
	case e.kind == timedOut:
		return "the Coder deployment did not answer in time"
	case e.kind == nonsense:
		return "the Coder deployment gave an answer that is not understood"
	case e.kind == refused && e.code != "":
		return "the Coder deployment refused with " + e.code
	case e.kind == refused:
		return "the Coder deployment refused"
	}
	return "the Coder deployment is in trouble"
}

// gateway is the status that tells the fault to be Coder's.
func (e *upstreamError) gateway() int {
	if e.kind == timedOut {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// hint tells an operator where to look.
func (e *upstreamError) hint() string {
	switch {
	case e.code == "invalid_client":
		return "check clientId, clientSecret and tokenEndpointAuthMethod"
	case e.code == "invalid_grant" && strings.HasPrefix(e.doing, "exchanging"):
		return "the code is used up or expired, the callback URL differs from the registered one, or Coder " +
			"demands PKCE, which an older frontend sends only when its accessUrl points at this backend"
	case e.code == "invalid_grant":
		return "the session has ended"
	case e.status >= 300 && e.status < 400:
		return "redirects are not followed: the deployment URL must be the final one"
	case e.kind == nonsense:
		return "is the deployment URL that of Coder?"
	case errors.Is(e.err, context.Canceled):
		return "the browser went away before Coder answered"
	case e.kind == unreachable || e.kind == timedOut:
		return "check the deployment URL and the network between this host and Coder"
	}
	return ""
}

// statusError makes the error of an answer that is not 2xx, or of a 2xx that holds an error code. Coder has
// refused when it says so with an error code, or 401 or 403; anything else may be a proxy's word for an outage.
func statusError(doing string, status int, code string) *upstreamError {
	e := &upstreamError{kind: trouble, doing: doing, status: status}
	if isErrorCode(code) {
		e.code = code
	}
	switch {
	case e.code == "server_error", e.code == "temporarily_unavailable", status >= 500,
		status == http.StatusTooManyRequests:
	case e.code != "", status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.kind = refused
	}
	return e
}

// unreachableError makes the error of a call that got no whole answer. The URL and anything else that
// net/http adds is left out.
func unreachableError(ctx context.Context, doing string, err error) *upstreamError {
	e := &upstreamError{kind: unreachable, doing: doing}
	var netError net.Error
	var urlError *url.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		e.kind, e.err = nonsense, errors.New("answer larger than 1 MiB")
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &netError) && netError.Timeout():
		e.kind, e.err = timedOut, context.DeadlineExceeded
	// url.Error repeats the URL; its cause does not.
	case errors.As(err, &urlError):
		e.err = urlError.Err
	default:
		e.err = errors.New("the answer broke off")
	}
	return e
}

// nonsenseError makes the error of a 2xx that is not what it should be.
func nonsenseError(doing, what string) *upstreamError {
	return &upstreamError{kind: nonsense, doing: doing, status: http.StatusOK, err: errors.New(what)}
}

// isErrorCode tells whether code looks like an error code, and not like prose or a token: it is shown to users.
func isErrorCode(code string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz_" // as in all that are registered at IANA
	return code != "" && len(code) <= 64 && strings.Trim(code, allowed) == ""
}
