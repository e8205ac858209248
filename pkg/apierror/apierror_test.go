package apierror

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
)

func TestWrite(t *testing.T) {
	refused := Authentication("Refresh failed; caused by InputError: Missing session cookie")
	refused.Cause = Input("Missing session cookie")
	large := &Error{Status: 413, Name: "PayloadTooLargeError", Message: "request entity too large", Extra: map[string]any{"limit": 102400, "length": 5}}
	tests := map[string]struct {
		err    error
		status int
		want   string
	}{
		"plain":       {NotFound("No <x> & 'y'"), 404, `{"error":{"name":"NotFoundError","message":"No <x> & 'y'"},"request":{"method":"POST","url":"/a?b"},"response":{"statusCode":404}}`},
		"cause":       {refused, 401, `{"error":{"name":"AuthenticationError","message":"Refresh failed; caused by InputError: Missing session cookie","cause":{"name":"InputError","message":"Missing session cookie"}},"request":{"method":"POST","url":"/a?b"},"response":{"statusCode":401}}`},
		"own members": {large, 413, `{"error":{"name":"PayloadTooLargeError","message":"request entity too large","length":5,"limit":102400},"request":{"method":"POST","url":"/a?b"},"response":{"statusCode":413}}`},
		"wrapped":     {fmt.Errorf("in the log: %w", NotAllowed("no")), 403, `{"error":{"name":"NotAllowedError","message":"no"},"request":{"method":"POST","url":"/a?b"},"response":{"statusCode":403}}`},
		"internal":    {errors.New("a secret"), 500, `{"error":{"name":"Error","message":"Internal Server Error"},"request":{"method":"POST","url":"/a?b"},"response":{"statusCode":500}}`},
	}
	for name, test := range tests {
		w := httptest.NewRecorder()
		Write(w, httptest.NewRequest("POST", "/", nil), "/a?b", test.err)
		if w.Code != test.status || w.Body.String() != test.want || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("HEAD", "/", nil), "/", Input("x"))
	if w.Code != 400 || w.Body.Len() != 0 {
		t.Errorf("HEAD: status %d, %d bytes", w.Code, w.Body.Len())
	}
}
