// Package backstageauth says who sent a request, as the auth, httpAuth and httpRouter services of
// @backstage/backend-defaults do. A Barrier asks for credentials in front of a plugin, except on the paths that the
// plugin has opened. What it finds is the request's Caller.
package backstageauth

import (
	"context"
	"slices"
	"time"

	"github.com/understudy-host/understudy/pkg/apierror"
)

// Kind is the type of a principal.
type Kind int

// The kinds of principals.
const (
	None    Kind = iota // nobody: the request has no credentials, or nobody asked for them
	User                // a user who is signed in to Backstage
	Service             // a plugin of a backend, or an external caller
)

// String returns Backstage's name for the kind.
func (k Kind) String() string { return [...]string{"none", "user", "service"}[k] }

// Principal is who sent a request. The zero value is nobody.
type Principal struct {
	Kind          Kind
	UserEntityRef string              // of a user: "user:default/jane"
	Subject       string              // of a service: "plugin:catalog", or "external:ci" as configured
	Actor         string              // the service that acts for a user, "plugin:catalog"; "" for the user alone
	Restrictions  *AccessRestrictions // of an external caller; nil for none
	ExpiresAt     time.Time           // when the credentials of a user expire
}

// AccessRestrictions are what an external caller may do in the plugin. An empty list is no restriction. The barrier has
// checked that the plugin is among those that the caller may reach; the rest is for the plugin to check.
type AccessRestrictions struct {
	PermissionNames []string // "catalog.entity.read"
	Actions         []string // create, read, update, delete
}

// Require returns an error if p is of none of the kinds: Backstage's AuthenticationError for nobody, otherwise its
// NotAllowedError.
func (p Principal) Require(kinds ...Kind) error {
	if slices.Contains(kinds, p.Kind) {
		return nil
	}
	if p.Kind == None {
		return apierror.Authentication("Missing credentials")
	}
	return apierror.NotAllowed("This endpoint does not allow '" + p.Kind.String() + "' credentials")
}

type callerKey struct{}

// Caller returns who sent the request of ctx. It is nobody where the barrier did not ask: on open paths, and if
// backend.auth.dangerouslyDisableDefaultAuthPolicy is set. Barrier.Credentials asks there too.
func Caller(ctx context.Context) Principal {
	p, _ := ctx.Value(callerKey{}).(Principal)
	return p
}

// WithCaller returns a context with p as its Caller.
func WithCaller(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, callerKey{}, p)
}
