package backstageauth

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/understudy-host/understudy/pkg/express"
)

// Policy says who may use a path instead of users and services with a token, which is the default.
type Policy int

// The policies of Backstage's httpRouter.addAuthPolicy.
const (
	Unauthenticated Policy = iota + 1 // everybody
	UserCookie                        // also users with the cookie backstage-auth, for pages that cannot send a token
)

// Barrier keeps callers without credentials away from one generation of a plugin. The zero value is ready to use.
type Barrier struct {
	mu         sync.Mutex
	open, lax  []func(path string) bool // the paths that are Unauthenticated, and those with UserCookie
	unreadable []error
}

// Allow sets the policy of a path and all paths below it, relative to the plugin's mount, as httpRouter.addAuthPolicy
// does. Letter case and a slash at the end of the request's path do not count. The path may have parameters and
// wildcards in the syntax of path-to-regexp 8: "/hooks/:id". "/" is every path. A path that is both is
// Unauthenticated. Call it in New: later calls have no effect.
func (b *Barrier) Allow(path string, policy Policy) {
	match, err := express.CompilePath(path)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil:
		b.unreadable = append(b.unreadable, fmt.Errorf("auth policy of the path %q: %w", path, err))
	case policy == Unauthenticated:
		b.open = append(b.open, match)
	case policy == UserCookie:
		b.lax = append(b.lax, match)
	default:
		b.unreadable = append(b.unreadable, fmt.Errorf("auth policy of the path %q: %d is none, expected Unauthenticated or UserCookie", path, policy))
	}
}

// Err returns all that was wrong with calls of Allow.
func (b *Barrier) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.unreadable...)
}

// matches reports whether one of the matchers takes the path.
func matches(matchers []func(path string) bool, path string) bool {
	return slices.ContainsFunc(matchers, func(match func(string) bool) bool { return match(path) })
}
