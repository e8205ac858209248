//go:build standin

package standin

import (
	"net/http"
	"strings"
	"testing"
)

// The token is Node's: it is asked for through the host, names the host as its issuer, and Node takes it from there.
func TestGuestTokenIssuedThroughTheHost(t *testing.T) {
	s := newStack(t)
	guest := s.guestToken()
	at := strings.LastIndexByte(guest, '.') + 1
	tampered := guest[:at] + strings.Repeat("A", len(guest)-at)
	for name, test := range map[string]struct {
		authorization string
		want          int
	}{
		"the token":           {"Bearer " + guest, http.StatusOK},
		"none":                {"", http.StatusUnauthorized},
		"a tampered token":    {"Bearer " + tampered, http.StatusUnauthorized},
		"a shortened token":   {"Bearer " + guest[:at-2], http.StatusUnauthorized},
		"no token of anybody": {"Bearer abc", http.StatusUnauthorized},
	} {
		r, _ := http.NewRequest(http.MethodGet, s.host.URL()+"/api/proxy/coder/x", nil)
		if test.authorization != "" {
			r.Header.Set("Authorization", test.authorization)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != test.want {
			t.Errorf("%s: %d, want %d", name, answer.StatusCode, test.want)
		}
	}
}
