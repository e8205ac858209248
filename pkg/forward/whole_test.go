package forward

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// net/http guesses a type for a body that has none, unless the header says that there is none.
func TestContentTypeIsNotGuessed(t *testing.T) {
	for given, want := range map[string][]string{"": nil, "text/plain": {"text/plain"}} {
		recorder := httptest.NewRecorder()
		a := &whole{recorder, http.NewResponseController(recorder)}
		if given != "" {
			a.Header().Set("Content-Type", given)
		}
		a.WriteHeader(http.StatusOK)
		got, there := recorder.Result().Header["Content-Type"]
		if !there || len(got) != len(want) {
			t.Errorf("%q becomes %q, there: %v", given, got, there)
		}
	}
}
