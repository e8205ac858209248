package upstream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Limits of the queue of those who wait for a call to a deployment. It is as long as there are calls at once.
const (
	maxWait    = 5 * time.Second
	retryAfter = 5 * time.Second // what refused clients are told
	logEvery   = time.Minute     // lines about refused calls
)

// limiter bounds the calls at once to one deployment. Anybody can cause calls with made-up tokens and codes, so
// that requests without a session of ours get at most half of the calls and half of the queue.
type limiter struct {
	calls, strangers *Slots // for each call under way, and for each of a stranger
	log              *zap.Logger
	refused          atomic.Int64 // since the last line of the log
	lastLog          atomic.Int64 // in Unix nanoseconds
}

// newLimiter returns a limiter for at most limit calls at once, 2 at least.
func newLimiter(limit int, log *zap.Logger) *limiter {
	limit = max(limit, 2)
	return &limiter{calls: NewSlots(limit), strangers: NewSlots(limit / 2), log: log}
}

// Context keys of the limiter.
type (
	signedInKey struct{}
	heldKey     struct{}
)

// SignedIn marks the context of a request that has proved to belong to a session. Others leave half of the calls
// to Coder to such requests.
func SignedIn(ctx context.Context) context.Context {
	return context.WithValue(ctx, signedInKey{}, true)
}

// Hold waits until the client may call Coder, and reserves that for all calls with the returned context until
// release is called. Without Hold, each call waits for itself. Waiting ends with ctx; a call that has begun does
// not, since a token that Coder has spent must not be lost.
func (c *Client) Hold(ctx context.Context) (held context.Context, release func(), err error) {
	return c.metadata.limit.hold(ctx, "calling")
}

// hold is Hold, with the operation that an error names. A context that is held already is held only once.
func (l *limiter) hold(ctx context.Context, operation string) (context.Context, func(), error) {
	if ctx.Value(heldKey{}) == l {
		return ctx, func() {}, nil
	}
	if ctx.Err() != nil {
		return ctx, nil, unreachable(ctx, operation, ctx.Err())
	}
	signedIn := ctx.Value(signedInKey{}) != nil
	timeout, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if !signedIn && !l.strangers.Take(timeout) {
		return ctx, nil, l.busy(ctx, operation, signedIn)
	}
	if !l.calls.Take(timeout) {
		if !signedIn {
			l.strangers.Release()
		}
		return ctx, nil, l.busy(ctx, operation, signedIn)
	}
	held, cancelHeld := detach(context.WithValue(ctx, heldKey{}, l))
	release := sync.OnceFunc(func() {
		cancelHeld()
		l.calls.Release()
		if !signedIn {
			l.strangers.Release()
		}
	})
	return held, release, nil
}

// detach returns a context that does not end with ctx, but at the same deadline.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	detached := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(detached, deadline)
	}
	return context.WithCancel(detached)
}

// Slots bound what is done at once. As many wait as there are slots.
type Slots struct {
	taken   chan struct{} // one element for each
	waiting atomic.Int64
}

// NewSlots returns n slots.
func NewSlots(n int) *Slots { return &Slots{taken: make(chan struct{}, n)} }

// Take takes a slot. It waits for that until ctx ends, unless as many wait already as there are slots.
func (s *Slots) Take(ctx context.Context) bool {
	select {
	case s.taken <- struct{}{}:
		return true
	default:
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > int64(cap(s.taken)) {
		return false
	}
	select {
	case s.taken <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Release gives a slot back.
func (s *Slots) Release() { <-s.taken }

// busy returns the error of a call that was not made, and logs the first of many.
func (l *limiter) busy(ctx context.Context, operation string, signedIn bool) error {
	if ctx.Err() != nil { // the client went away
		return unreachable(ctx, operation, ctx.Err())
	}
	refused := l.refused.Add(1)
	now, last := time.Now().UnixNano(), l.lastLog.Load()
	if now-last >= int64(logEvery) && l.lastLog.CompareAndSwap(last, now) {
		l.refused.Add(-refused)
		l.log.Warn("too many calls to Coder at once, requests are answered with 503: if nobody floods this backend, "+
			"see why Coder is slow, or raise coder.oauth.maxConcurrentCalls", zap.Int("maxConcurrentCalls", cap(l.calls.taken)),
			zap.Bool("signedIn", signedIn), zap.Int64("refused", refused))
	}
	return &Error{Kind: Busy, RetryAfter: retryAfter, operation: operation}
}
