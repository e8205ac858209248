package plugin

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Lifecycle collects what plugins want done at the end. The zero value is ready to use.
type Lifecycle struct {
	mu    sync.Mutex
	hooks []func(context.Context) error
}

// OnShutdown has hook called once when the host stops, after the last request has been answered. Hooks run
// in the reverse order of their registration; the context limits the time they have.
func (l *Lifecycle) OnShutdown(hook func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hooks = append(l.hooks, hook)
}

// Shutdown runs the hooks and returns their errors joined. The host calls it; a second call does nothing.
func (l *Lifecycle) Shutdown(ctx context.Context) error {
	l.mu.Lock()
	hooks := l.hooks
	l.hooks = nil
	l.mu.Unlock()
	var errs []error
	for _, hook := range slices.Backward(hooks) {
		errs = append(errs, hook(ctx))
	}
	return errors.Join(errs...)
}
