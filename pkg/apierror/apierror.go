// Package apierror has the errors of @backstage/errors, and writes them as the error handler of
// @backstage/backend-defaults does.
package apierror

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Error is an error for the client, which gets the name and the message. Err, the cause, is only for the operator's
// log.
type Error struct {
	Status  int    // the HTTP status
	Name    string // the class name in @backstage/errors: "InputError", "NotAllowedError", …
	Message string
	Err     error // nil, or the cause, which is never sent to the client

	// Cause, if not nil, is sent as the member "cause", as Backstage does for a ForwardedError.
	Cause *Error

	// Extra has more members of the error in the answer, such as the limit of a PayloadTooLargeError.
	Extra map[string]any
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Name + ": " + e.Message + ": " + e.Err.Error()
	}
	return e.Name + ": " + e.Message
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Input is Backstage's InputError: the request is malformed (400).
func Input(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Name: "InputError", Message: message}
}

// Authentication is Backstage's AuthenticationError: the request does not say who sent it (401).
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

// ServiceUnavailable is Backstage's ServiceUnavailableError: what the request is for does not run (503).
func ServiceUnavailable(message string) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Name: "ServiceUnavailableError", Message: message}
}

// From returns the *Error in the chain of err. If there is none, it returns a 500 that tells the client nothing and has
// err as its cause.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Name: "Error", Message: "Internal Server Error", Err: err}
}

// Write answers r with Backstage's JSON body for err. url is the request's path and query as Backstage's router shows
// them, below its mount. It should have no values of parameters such as code and state.
func Write(w http.ResponseWriter, r *http.Request, url string, err error) {
	e := From(err)
	// In Backstage the keys are sorted, as encoding/json sorts those of a map.
	body, _ := marshal(map[string]any{
		"error":    e,
		"request":  map[string]string{"method": r.Method, "url": url},
		"response": map[string]int{"statusCode": e.Status},
	})
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// MarshalJSON writes what the client may see: name, message and cause, and the extra members after them.
func (e *Error) MarshalJSON() ([]byte, error) {
	data, err := marshal(struct {
		Name    string `json:"name"`
		Message string `json:"message"`
		Cause   *Error `json:"cause,omitempty"`
	}{e.Name, e.Message, e.Cause})
	if err != nil || len(e.Extra) == 0 {
		return data, err
	}
	extra, err := marshal(e.Extra)
	return append(append(data[:len(data)-1], ','), extra[1:]...), err
}

// marshal is json.Marshal without escapes for <, > and &, as JSON.stringify.
func marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
