// Package apierror holds the errors that Backstage backends answer with and writes them as Backstage does:
// @backstage/errors and the error handler of @backstage/backend-defaults.
package apierror

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Error is an error that is meant for the client. Name and Message are shown; Err, the cause, is for the
// operator's log alone.
type Error struct {
	Status  int    // the HTTP status
	Name    string // the class name in @backstage/errors: "InputError", "NotAllowedError", …
	Message string
	Err     error // nil, or the cause, which is never sent

	// Cause, when not nil, is sent as the "cause" member, as Backstage does for a ForwardedError.
	Cause *Error

	// Extra are further members of the error in the answer, such as the limit of a PayloadTooLargeError.
	Extra map[string]any
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Name + ": " + e.Message + ": " + e.Err.Error()
	}
	return e.Name + ": " + e.Message
}

// Unwrap returns the cause that is kept from the client.
func (e *Error) Unwrap() error { return e.Err }

// Input is Backstage's InputError: the request is malformed (400).
func Input(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Name: "InputError", Message: message}
}

// Authentication is Backstage's AuthenticationError: who asks is not known (401).
func Authentication(message string) *Error {
	return &Error{Status: http.StatusUnauthorized, Name: "AuthenticationError", Message: message}
}

// NotAllowed is Backstage's NotAllowedError: the request is refused (403).
func NotAllowed(message string) *Error {
	return &Error{Status: http.StatusForbidden, Name: "NotAllowedError", Message: message}
}

// NotFound is Backstage's NotFoundError (404).
func NotFound(message string) *Error {
	return &Error{Status: http.StatusNotFound, Name: "NotFoundError", Message: message}
}

// From returns err as the *Error that is in its chain, or, when there is none, a 500 that tells the client
// nothing and keeps err as its cause.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Name: "Error", Message: "Internal Server Error", Err: err}
}

// Write answers r with Backstage's JSON error body. url is the request's path and query as the reporting
// router of Backstage shows them: below its mount, and without the values of code, state and the like.
func Write(w http.ResponseWriter, r *http.Request, url string, err error) {
	e := From(err)
	type request struct {
		Method string `json:"method"`
		URL    string `json:"url"`
	}
	type response struct {
		StatusCode int `json:"statusCode"`
	}
	text, _ := marshal(struct {
		Error    shown    `json:"error"`
		Request  request  `json:"request"`
		Response response `json:"response"`
	}{show(e), request{r.Method, url}, response{e.Status}})
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text)
	}
}

type shown struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Cause   *shown `json:"cause,omitempty"`
	extra   map[string]any
}

// MarshalJSON writes the own members of the error after the name and the message.
func (s shown) MarshalJSON() ([]byte, error) {
	type members shown // without this method
	text, err := marshal(members(s))
	if err != nil || len(s.extra) == 0 {
		return text, err
	}
	extra, err := marshal(s.extra)
	return append(append(text[:len(text)-1], ','), extra[1:]...), err
}

// marshal is json.Marshal but for <, > and &, which JSON.stringify leaves alone.
func marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func show(e *Error) shown {
	s := shown{Name: e.Name, Message: e.Message, extra: e.Extra}
	if e.Cause != nil {
		cause := show(e.Cause)
		s.Cause = &cause
	}
	return s
}
