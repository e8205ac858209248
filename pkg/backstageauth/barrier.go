package backstageauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/understudy-host/understudy/pkg/apierror"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/logging"
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
	all        bool                     // every path is Unauthenticated
	open, lax  []func(path string) bool // the paths that are Unauthenticated, and those with UserCookie
	unreadable []error

	auth     *Authenticator // nil until Handler
	pluginID string
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
	case policy == Unauthenticated && (path == "/" || path == "*"):
		b.all = true
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

// Handler returns next behind the barrier. Callers without credentials get Backstage's 401.
func (b *Barrier) Handler(a *Authenticator, pluginID string, next http.Handler) http.Handler {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.auth, b.pluginID = a, pluginID
	all, open, lax := b.all, slices.Clone(b.open), slices.Clone(b.lax)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ctx := r.URL.EscapedPath(), r.Context()
		var err error
		if !all && !a.current.Load().disabled && (!matches(open, path) || climbs(r.URL.Path)) {
			var p Principal
			if p, err = a.caller(r, pluginID, matches(lax, path) && !climbs(r.URL.Path)); err == nil {
				ctx, err = WithCaller(ctx, p), p.Require(User, Service)
			}
		}
		if err == nil && isCookieRequest(r) {
			err = a.serveCookie(w, r, pluginID)
		} else if err == nil {
			next.ServeHTTP(w, r.WithContext(ctx))
		}
		if err != nil {
			apierror.Write(w, r, logging.URL(r.URL.RequestURI()), err)
		}
	})
}

// Credentials returns who sent r, also on an open path, where it checks the token now. It is nobody if there is none.
func (b *Barrier) Credentials(r *http.Request) (Principal, error) {
	if p := Caller(r.Context()); p.Kind != None || b.auth == nil {
		return p, nil
	}
	return b.auth.caller(r, b.pluginID, false)
}

// matches reports whether one of the matchers takes the path.
func matches(matchers []func(path string) bool, path string) bool {
	for _, match := range matchers {
		if match(path) {
			return true
		}
	}
	return false
}

// climbs reports whether a decoded path has a segment "..". A plugin that cleans such a path would serve another one
// than that with the policy: it needs credentials.
func climbs(path string) bool {
	if !strings.Contains(path, "..") {
		return false
	}
	return slices.Contains(strings.FieldsFunc(path, func(c rune) bool { return c == '/' || c == '\\' }), "..")
}
