//go:build abuse && linux

package abuse

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// fakeCoder answers real codes and tokens, which begin with "real", as slowly as a Coder does that has something to
// do. It hangs on all others.
type fakeCoder struct {
	url    string
	serial atomic.Int64
	calls  gauge // that hang
}

const usual = 20 * time.Millisecond

func (f *fakeCoder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	w.Header().Set("Content-Type", "application/json")
	token := r.PostForm.Get("code") + r.PostForm.Get("refresh_token") + r.PostForm.Get("token") +
		strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.URL.Path == "/.well-known/oauth-authorization-server":
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"code_challenge_methods_supported":["S256"]}`, f.url)
		return
	case !strings.HasPrefix(token, "real"):
		f.calls.add(1)
		defer f.calls.add(-1)
		<-r.Context().Done()
		return
	}
	time.Sleep(usual)
	n := f.serial.Add(1)
	switch r.URL.Path {
	case "/oauth2/tokens":
		_, _ = fmt.Fprintf(w, `{"access_token":"real-access-%d","refresh_token":"real-refresh-%d","token_type":"Bearer","expires_in":3600}`, n, n)
	case "/api/v2/users/me":
		_, _ = io.WriteString(w, `{"id":"1","username":"wren"}`)
	}
}

// gauge is a number and the highest that it has been.
type gauge struct{ now, peak atomic.Int64 }

func (g *gauge) add(n int64) { g.see(g.now.Add(n)) }

func (g *gauge) see(n int64) {
	for peak := g.peak.Load(); n > peak && !g.peak.CompareAndSwap(peak, n); {
		peak = g.peak.Load()
	}
}
