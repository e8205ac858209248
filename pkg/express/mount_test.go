package express_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/understudy-host/understudy/pkg/express"
)

func TestMount(t *testing.T) {
	for target, want := range map[string]string{
		"/api/echo":         "/ /",
		"/api/echo/":        "/ /",
		"/API/Echo/Word":    "/Word /Word",
		"/api/echo/a%2Fb?x": "/a/b /a%2Fb",
		"/api/echo//x":      "//x //x",
		"/api/echoes":       "none",
		"/api/echo%2Fword":  "none",
		"/api/%65cho/word":  "none",
		"/api":              "none",
	} {
		got := "none"
		r := httptest.NewRequest(http.MethodGet, target, nil)
		if express.IsBelow(r, "/api/echo") {
			express.StripPrefix("/api/echo", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = r.URL.Path + " " + r.URL.EscapedPath()
				if r.RequestURI != target {
					t.Errorf("%s: RequestURI is %s", target, r.RequestURI)
				}
			})).ServeHTTP(nil, r)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
		if r.URL.Path == got {
			t.Errorf("%s: the outer request was changed", target)
		}
	}
}

// Each of these is a way to /api/echo for some server: one that decodes, merges slashes, follows dots, or express itself.
func TestMayBeBelow(t *testing.T) {
	for target, want := range map[string]bool{
		"/api/echo": true, "/API/Echo/x": true, "/api//echo/x": true, "//api/echo": true, "/api/./echo": true, "/api/x/../echo/y": true,
		"/api/%65cho": true, "/api%2Fecho%2Fx": true, "/api/x/%2e%2e/echo": true, "/x/../../api/echo": true, "/api/echo/../x": true,
		"/api": false, "/api/echoes": false, "/api/x/echo": false, "/x/api/echo": false, "/api/x?y=/api/echo": false, "/": false,
	} {
		if got := express.MayBeBelow(httptest.NewRequest(http.MethodGet, target, nil), "/api/echo"); got != want {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
}
