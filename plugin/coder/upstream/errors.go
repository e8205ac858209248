package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Kind classifies a failed call by who is to blame. It decides what the user reads and whether a session is over.
type Kind int

// The kinds of failure.
const (
	Refused     Kind = iota // Coder understood the request and refused it
	Unreachable             // no connection, or it broke
	Timeout                 // no complete answer in time
	Unavailable             // a 5xx, 429 or another answer that says nothing about the request
	Malformed               // a 2xx whose content is not what it should be
	Busy                    // Coder was not asked, since too many calls are under way
)

// exchanging is the operation for which "invalid_grant" has other reasons than a session that has ended.
const exchanging = "exchanging the code"

// readingProfile is the operation for which a status 403 is about the user.
const readingProfile = "reading the user profile"

// Error is a failed call to Coder. It holds Coder's status and error code but never its body, which may repeat
// what was sent.
type Error struct {
	Kind   Kind
	Status int    // 0 if there was no answer
	Code   string // the OAuth2 error code (RFC 6749, section 5.2), or ""

	RetryAfter time.Duration // when to try again, if Kind is Busy

	operation string // "exchanging the code"
	err       error
}

// From returns the *Error in err's chain. An err without one counts as Unavailable.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Unavailable, operation: "calling", err: err}
}

// Error returns a text for the log: the operation and how it failed.
func (e *Error) Error() string {
	text := e.operation + " at Coder"
	if e.Status != 0 {
		text += ": status " + strconv.Itoa(e.Status)
	}
	if e.Code != "" {
		text += ": " + e.Code
	}
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns the cause, without URLs and bodies.
func (e *Error) Unwrap() error { return e.err }

// UserText returns a text for the user, which holds Coder's error code at most.
func (e *Error) UserText() string {
	text := map[Kind]string{
		Refused:     "refused",
		Unreachable: "cannot be reached",
		Timeout:     "did not answer in time",
		Unavailable: "is in trouble",
		Malformed:   "gave an answer that is not understood",
		Busy:        "is asked by too many at once",
	}[e.Kind]
	if e.Kind == Refused && e.Code != "" {
		text += " with " + e.Code
	}
	return "the Coder deployment " + text
}

// NotAsked reports whether Coder has not seen any of the request, so that it can be made again.
func (e *Error) NotAsked() bool {
	dial, ok := errors.AsType[*net.OpError](e.err)
	return e.Kind == Busy || ok && dial.Op == "dial"
}

// GatewayStatus returns the status of an answer that puts the blame on Coder, 502 or 504, or 503 for Busy. The answer
// then has RetryAfter in its Retry-After header.
func (e *Error) GatewayStatus() int {
	switch e.Kind {
	case Timeout:
		return http.StatusGatewayTimeout
	case Busy:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// badStatus returns the error of an answer that is not 2xx, or of a 2xx with an error code. Coder has refused if
// there is an error code, or the status is 401 or 403. Any other status may come from a proxy during an outage.
func badStatus(operation string, status int, code string) *Error {
	e := &Error{Kind: Unavailable, operation: operation, Status: status}
	if IsErrorCode(code) {
		e.Code = code
	}
	switch {
	case e.Code == "server_error", e.Code == "temporarily_unavailable", status >= 500,
		status == http.StatusTooManyRequests:
	case e.Code != "", status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Kind = Refused
	}
	return e
}

// unreachable returns the error of a call that got no complete answer, without the URL and the other details
// that net/http adds to err.
func unreachable(ctx context.Context, operation string, err error) *Error {
	e := &Error{Kind: Unreachable, operation: operation}
	var netError net.Error
	var urlError *url.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		e.Kind, e.err = Malformed, errors.New("answer larger than 1 MiB")
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &netError) && netError.Timeout():
		e.Kind, e.err = Timeout, errors.New("no answer in time")
	case errors.As(err, &urlError):
		e.err = urlError.Err // the cause alone does not repeat the URL
	case errors.Is(err, context.Canceled):
		e.err = context.Canceled
	default:
		e.err = errors.New("the answer broke off")
	}
	return e
}

// malformed returns the error of a 2xx whose content is not what it should be.
func malformed(operation, problem string) *Error {
	return &Error{Kind: Malformed, operation: operation, Status: http.StatusOK, err: errors.New(problem)}
}

// IsErrorCode reports whether code looks like an OAuth2 error code, and not like prose or a token: error codes
// are shown to users.
func IsErrorCode(code string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyz_" // as in all codes that IANA has registered
	return code != "" && len(code) <= 64 && strings.Trim(code, allowed) == ""
}
