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
		want   string // the member "error" of the body
	}{
		"plain": {NotFound("No <x> & 'y'"), 404, `{"name":"NotFoundError","message":"No <x> & 'y'"}`},
		"cause": {
			refused, 401, `{"name":"AuthenticationError","message":"Refresh failed; caused by InputError: Missing session cookie",` +
				`"cause":{"name":"InputError","message":"Missing session cookie"}}`,
		},
		"own members": {large, 413, `{"name":"PayloadTooLargeError","message":"request entity too large","length":5,"limit":102400}`},
		"wrapped":     {fmt.Errorf("in the log: %w", NotAllowed("no")), 403, `{"name":"NotAllowedError","message":"no"}`},
		"internal":    {errors.New("a secret"), 500, `{"name":"Error","message":"Internal Server Error"}`},
	}
	for name, test := range tests {
		w := httptest.NewRecorder()
		Write(w, httptest.NewRequest("POST", "/", nil), "/a?b", test.err)
		want := fmt.Sprintf(`{"error":%s,"request":{"method":"POST","url":"/a?b"},"response":{"statusCode":%d}}`, test.want, test.status)
		if w.Code != test.status || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("HEAD", "/", nil), "/", Input("x"))
	if w.Code != 400 || w.Body.Len() != 0 {
		t.Errorf("HEAD: status %d, %d bytes", w.Code, w.Body.Len())
	}
}
