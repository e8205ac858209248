package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/understudy-host/understudy/pkg/apierror"
)

// Error says why there is no identity. The session at Coder is not affected.
type Error struct {
	// Reason is for the user: what the Node backend said when it refused, with status 401, otherwise that it could not be
	// asked, with status 502, 503 or 504. Its Err is for the log, without URLs.
	Reason     *apierror.Error
	RetryAfter time.Duration // when to try again, if the status is 503
	Hint       string        // where an operator looks
}

// Error returns a text for the log.
func (e *Error) Error() string {
	return "asking the Node backend for an identity: " + e.Reason.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

func failure(status int, text string, err error, hint string) *Error {
	return &Error{Hint: hint, Reason: &apierror.Error{
		Status: status, Name: "Error", Message: "Failed to sign in to Backstage, its backend " + text, Err: err,
	}}
}

// noAnswer returns the error of a call that got no complete answer, without the URL that net/http adds.
func noAnswer(err error) *Error {
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		err = urlError.Err
	}
	if netError, ok := errors.AsType[net.Error](err); ok && netError.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return failure(http.StatusGatewayTimeout, "did not answer in time", err, "see why the Node backend is slow")
	}
	return failure(http.StatusBadGateway, "cannot be reached", err, "check "+targetKey+", and that the Node backend runs")
}

// malformed returns the error of an answer that cannot be used.
func malformed(status int, what string) *Error {
	return failure(http.StatusBadGateway, "gave an answer that is not understood", fmt.Errorf("status %d: %s", status, what),
		"check that "+targetKey+" is the final URL of the Node backend, and that it has the Coder provider, with a signIn")
}

// refused returns the error of an answer with another status than 200. A 4xx with Backstage's error is a refusal, and its
// reason is the user's.
func refused(status int, body []byte) *Error {
	type backstageError struct {
		Name, Message string
		Cause         *backstageError
	}
	var answer struct{ Error backstageError }
	_ = json.Unmarshal(body, &answer) // what is not Backstage's error has no message
	said := answer.Error
	if said.Cause != nil && said.Cause.Message != "" { // of "Refresh failed"
		said = *said.Cause
	}
	message := clean(said.Message)
	if status < 400 || status >= 500 || message == "" {
		return malformed(status, "neither an identity nor Backstage's error")
	}
	return &Error{
		Reason: &apierror.Error{
			Status: http.StatusUnauthorized, Name: cmp.Or(clean(said.Name), "Error"), Message: message, Err: fmt.Errorf("status %d: %s", status, message),
		},
		Hint: "it is the Node backend's own reason: see its sign-in resolvers and its catalog. If it is about a token or a profile: see the " +
			"deploymentUrl, which leads to " + listenKey + ", the clientId and the clientSecret of its Coder provider",
	}
}

// Limits of a reason, in characters.
const (
	maxReason = 400
	maxWord   = 80
)

// clean returns a text of the Node backend as users may see it: printable, not long, and without addresses and what might be
// a token.
func clean(text string) string {
	words := strings.FieldsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) })
	for i, word := range words {
		if strings.Contains(word, "://") || len([]rune(word)) > maxWord {
			words[i] = "…"
		}
	}
	reason := []rune(strings.Join(words, " "))
	if len(reason) > maxReason {
		reason = append(reason[:maxReason-1], '…')
	}
	return string(reason)
}
