package appconfig

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	maxHanging = 16               // how many reads may be left behind before a load gives up
	leaveAfter = 20 * time.Second // from the end of the context until what should end with it is left behind
)

// reads starts reads that nothing can end: of a koanf provider, or of a file on a server that is gone.
type reads struct {
	hanging atomic.Int32 // reads that were left behind
}

// within returns what read returns, or the error of ctx if that ends first. The read is then left behind.
func within[T any](ctx context.Context, r *reads, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if n := r.hanging.Load(); n >= maxHanging {
		return none, fmt.Errorf("%d earlier reads have not ended", n)
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		r.hanging.Add(1)
		go func() {
			<-done
			r.hanging.Add(-1)
		}()
		return none, ctx.Err()
	}
}

// untilDone returns what run returns, which ends soon after ctx. If it does not, it is left behind.
func untilDone(ctx context.Context, run func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	late := make(chan struct{})
	defer context.AfterFunc(ctx, func() { time.AfterFunc(leaveAfter, func() { close(late) }) })()
	select {
	case err := <-ended:
		return err
	case <-late:
		return errors.New("a load or a report has not ended, and is left behind")
	}
}
