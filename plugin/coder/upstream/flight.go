package upstream

import (
	"context"
	"errors"
	"time"
)

// errPanicked is what those who share a flight get if its work panicked.
var errPanicked = errors.New("the work that this request shared has failed")

// flight is one run of work that all callers with its key share.
type flight struct {
	context.Context // ends when all callers have gone away
	cancel          context.CancelFunc
	code            tokenKey // of the code that it spends
	waiting         int
	ended           bool // a sign-out came meanwhile: what the work brings is not to be used
	done            chan struct{}
	renewal         *Renewal
	err             error
}

// share runs work once for all callers with id that come before it is done. work's context ends when all of them have
// gone away, so that one who leaves takes nothing from the others. admit is called before a run, under the lock; if it
// returns something, that is the answer.
func (s *Sessions) share(ctx context.Context, id, code tokenKey, admit func(*memory) (*Renewal, error),
	work func(*flight) (*Renewal, error),
) (*Renewal, error) {
	for {
		f, first, err := s.join(ctx, id, code, admit)
		if err != nil || f == nil {
			return nil, err
		}
		if f.done == nil {
			return f.renewal, nil
		}
		// Those who join a flight that everybody has left do not take its end for theirs.
		abandoned := !first && f.Err() != nil
		stop := context.AfterFunc(ctx, func() { s.leave(f) })
		if first {
			s.run(id, f, work)
		}
		<-f.done
		stop()
		if f.err == nil || !abandoned || ctx.Err() != nil {
			return f.renewal, f.err
		}
	}
}

// join returns the flight to wait for, and whether the caller is the first and runs it. If admit had an answer, the
// flight holds it and has no channel.
func (s *Sessions) join(ctx context.Context, id, code tokenKey, admit func(*memory) (*Renewal, error)) (f *flight, first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, running := s.running[id]
	if running && f.code != code {
		return nil, false, ErrUsed
	}
	if !running {
		var renewal *Renewal
		s.memory.Do(func(m *memory) { renewal, err = admit(m) })
		if renewal != nil || err != nil {
			return &flight{renewal: renewal}, false, err
		}
		f = &flight{code: code, done: make(chan struct{}), err: errPanicked}
		f.Context, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
		s.running[id] = f
	}
	f.waiting++
	return f, !running, nil
}

// leave is called when a caller of f has gone away.
func (s *Sessions) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
	}
}

// run runs the work of a flight.
func (s *Sessions) run(id tokenKey, f *flight, work func(*flight) (*Renewal, error)) {
	defer func() {
		s.mu.Lock()
		delete(s.running, id)
		s.mu.Unlock()
		f.cancel()
		close(f.done)
	}()
	f.renewal, f.err = work(f)
}

// settle remembers what a flight brought under id, for those who come a moment later, and reports whether it may be
// used: not if there was a sign-out meanwhile.
func (s *Sessions) settle(f *flight, id tokenKey, r Renewal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.ended {
		return false
	}
	// The time starts after the calls: while Coder is slow, tabs come late.
	late := remembered{r, f.code, time.Now().Add(recentLife)}
	s.memory.Do(func(m *memory) { m.remember(id, late) })
	return true
}
