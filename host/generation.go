package host

import (
	"context"
	"net/http"
	"sync/atomic"
)

// generation is one result of a plugin's New, with the state that it was made of. Its users are its requests,
// and the mount while the generation is the newest. It ends when the last user releases it, or when the host stops.
type generation struct {
	handler http.Handler
	made    *state // what it was made of
	users   atomic.Int64
	end     context.CancelFunc
}

// hold adds a user. It fails if the last one has already released the generation.
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

// release removes a user. The last one ends the generation.
func (g *generation) release() {
	if g.users.Add(-1) == 0 {
		g.end()
	}
}
