package host

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// generation is one result of a plugin's New, with the configuration it was made of. It ends when its last user
// is done, which are the requests, and the mount while the generation is the newest; or when the host stops.
type generation struct {
	handler http.Handler
	config  *appconfig.Config
	baseURL string
	users   atomic.Int64
	end     context.CancelFunc
}

// hold takes a hold on the generation. It fails if the last one has been let go.
func (g *generation) hold() bool {
	for {
		n := g.users.Load()
		if n == 0 {
			return false
		}
		if g.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release lets a hold go. The last one ends the generation.
func (g *generation) release() {
	if g.users.Add(-1) == 0 {
		g.end()
	}
}
