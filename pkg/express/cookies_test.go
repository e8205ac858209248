package express_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-host/understudy/pkg/express"
)

func TestParseCookies(t *testing.T) {
	got := express.ParseCookies([]string{`a=1; a=2; q="quoted"; p=x%20y; bad=%ZZ; bytes=%FF; none; =x; e=; s = spaced `, "second=header"})
	want := map[string][]string{
		"a": {"1", "2"}, "q": {"quoted"}, "p": {"x y"}, "bad": {"%ZZ"}, "bytes": {"%FF"}, "": {"x"}, "e": {""}, "s": {"spaced"}, "second": {"header"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSetCookie(t *testing.T) {
	expires := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	tests := []struct {
		cookie http.Cookie
		want   string
	}{
		{http.Cookie{Name: "a", Value: `x y!'()*~"`}, "a=x%20y!'()*~%22"},
		{http.Cookie{Name: "a", MaxAge: -1, SameSite: http.SameSiteStrictMode}, "a=; Max-Age=0; SameSite=Strict"},
		{
			http.Cookie{
				Name: "a", Value: "b", Path: "/p", Domain: "d.example", Expires: expires, MaxAge: 60,
				Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode,
			},
			"a=b; Max-Age=60; Domain=d.example; Path=/p; Expires=Fri, 02 Jan 2026 02:04:05 GMT; HttpOnly; Secure; SameSite=None",
		},
	}
	for _, test := range tests {
		header := http.Header{"Set-Cookie": {"before"}}
		express.SetCookie(header, &test.cookie)
		if diff := cmp.Diff([]string{"before", test.want}, header["Set-Cookie"]); diff != "" {
			t.Error(diff)
		}
	}
}
