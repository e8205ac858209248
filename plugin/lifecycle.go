package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Lifecycle collects the shutdown hooks of one generation of a plugin, or of an extension. The zero value is ready to
// use.
type Lifecycle struct {
	mu    sync.Mutex
	ended bool
	hooks []func(context.Context) error
}

// OnShutdown registers a hook that is called once, when the generation ends: when its last request has been answered
// after a reload, when New has failed, or when the host stops. As in Backstage, hooks run in parallel. The context
// limits their time. A hook that is registered after the end is called at once.
func (l *Lifecycle) OnShutdown(hook func(context.Context) error) {
	l.mu.Lock()
	ended := l.ended
	if !ended {
		l.hooks = append(l.hooks, hook)
	}
	l.mu.Unlock()
	if ended {
		_ = run(context.Background(), hook)
	}
}

// Shutdown runs the hooks and returns their errors joined. It waits for them until ctx ends. A hook that has not
// returned by then is reported, and runs on. The host calls Shutdown. A second call does nothing.
func (l *Lifecycle) Shutdown(ctx context.Context) error {
	l.mu.Lock()
	hooks := l.hooks
	l.hooks, l.ended = nil, true
	l.mu.Unlock()
	results := make(chan error, len(hooks))
	for _, hook := range hooks {
		go func() { results <- run(ctx, hook) }()
	}
	var errs []error
	for range hooks {
		select {
		case err := <-results:
			errs = append(errs, err)
		case <-ctx.Done():
			return errors.Join(append(errs, fmt.Errorf("a shutdown hook is not done: %w", ctx.Err()))...)
		}
	}
	return errors.Join(errs...)
}

// run calls a hook and turns a panic into an error, so that one plugin does not take the host down.
func run(ctx context.Context, hook func(context.Context) error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("a shutdown hook panicked: %v", reason)
		}
	}()
	return hook(ctx)
}
