package upstream

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// hanging returns a client for a deployment that takes an hour for each call but those for the profile, how many calls
// are at once, and what is logged. It never fetches metadata.
func hanging(t *testing.T, limit int) (*Client, *atomic.Int64, *observer.ObservedLogs) {
	var calls atomic.Int64
	transport := roundTrip(func(r *http.Request) string {
		if r.Method == http.MethodGet {
			return `{"username":"wren"}`
		}
		calls.Add(1)
		defer calls.Add(-1)
		select {
		case <-time.After(time.Hour):
		case <-r.Context().Done():
		}
		return `{"access_token":"a","refresh_token":"r1"}`
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	core, logs := observer.New(zap.WarnLevel)
	pool := &Pool{ctx: ended, http: &http.Client{Transport: transport}, timeout: 2 * time.Hour, maxCalls: limit, log: zap.New(core)}
	return &Client{pool: pool, metadata: newMetadata(pool, "http://coder.example")}, &calls, logs
}

// inParallel calls f n times at once and returns the outcomes by kind; nil counts as -1.
func inParallel(n int, f func(i int) error) func() map[Kind]int {
	var group sync.WaitGroup
	kinds := make([]Kind, n)
	for i := range n {
		group.Go(func() {
			kinds[i] = -1
			if err := f(i); err != nil {
				kinds[i] = From(err).Kind
			}
		})
	}
	return func() map[Kind]int {
		group.Wait()
		count := map[Kind]int{}
		for _, kind := range kinds {
			count[kind]++
		}
		return count
	}
}

func TestCallsToADeploymentAreBounded(t *testing.T) {
	operations := map[string]func(context.Context, *Client) error{
		"exchange": func(ctx context.Context, c *Client) error { _, err := c.exchange(ctx, Code{Code: "code"}); return err },
		"refresh":  func(ctx context.Context, c *Client) error { _, err := c.refresh(ctx, "token", ""); return err },
		"revoke":   func(ctx context.Context, c *Client) error { return c.Revoke(ctx, "token") },
	}
	for name, operation := range operations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, calls, logs := hanging(t, 10)
				outcomes := inParallel(100, func(int) error { return operation(SignedIn(t.Context()), c) })
				synctest.Wait()
				if calls.Load() != 10 {
					t.Errorf("%d calls at once, want 10", calls.Load())
				}
				time.Sleep(maxWait + time.Second)
				if logs.Len() != 1 || !strings.Contains(logs.All()[0].Message, "coder.oauth.maxConcurrentCalls") {
					t.Errorf("log: %v, want one line that names the key", logs.All())
				}
				if got := outcomes(); got[-1] != 10 || got[Busy] != 90 {
					t.Errorf("outcomes %v, want 10 answers, and 90 times Busy", got)
				}
			})
		})
	}
}

func TestQueueIsAsLongAsThereAreCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, calls, _ := hanging(t, 10)
		ctx := SignedIn(t.Context())
		var releases []func()
		for range 10 {
			_, release, err := c.Hold(ctx)
			if err != nil {
				t.Fatal(err)
			}
			releases = append(releases, release)
		}
		var refused atomic.Int64
		outcomes := inParallel(30, func(int) error {
			_, err := c.refresh(ctx, "token", "")
			if err != nil {
				refused.Add(1)
			}
			return err
		})
		synctest.Wait()
		if refused.Load() != 20 {
			t.Errorf("%d of 30 are refused at once, want those 20 for whom the queue has no room", refused.Load())
		}
		for _, release := range releases {
			release()
			release() // counts once
		}
		synctest.Wait()
		if calls.Load() != 10 {
			t.Errorf("%d calls after those before have ended, want the 10 that waited", calls.Load())
		}
		if got := outcomes(); got[-1] != 10 || got[Busy] != 20 {
			t.Errorf("outcomes %v, want 10 answers, and 20 times Busy", got)
		}
	})
}

func TestStrangersCannotStarveSignedInUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, calls, _ := hanging(t, 10)
		strangers := inParallel(3000, func(int) error { _, err := c.refresh(t.Context(), "guess", ""); return err })
		synctest.Wait()
		if calls.Load() != 5 {
			t.Errorf("strangers make %d calls at once, want half of 10", calls.Load())
		}
		began := time.Now()
		if _, err := c.Profile(SignedIn(t.Context()), "token"); err != nil || time.Since(began) != 0 {
			t.Errorf("a user who is signed in waited %s: %v", time.Since(began), err)
		}
		users := inParallel(10, func(int) error { _, err := c.refresh(SignedIn(t.Context()), "token", ""); return err })
		synctest.Wait()
		if calls.Load() != 10 {
			t.Errorf("%d calls at once, want 10", calls.Load())
		}
		if got := strangers(); got[-1] != 5 {
			t.Errorf("strangers: %v, want 5 answers", got)
		}
		if got := users(); got[-1] != 5 { // the others wait longer than maxWait
			t.Errorf("users: %v, want 5 answers", got)
		}
	})
}

func TestStrangersTakeHalfOfTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, calls, _ := hanging(t, 10)
		var releases []func()
		for range 10 {
			_, release, _ := c.Hold(SignedIn(t.Context()))
			releases = append(releases, release)
		}
		strangers := inParallel(100, func(int) error { _, err := c.refresh(t.Context(), "guess", ""); return err })
		synctest.Wait()
		users := inParallel(5, func(int) error { _, err := c.refresh(SignedIn(t.Context()), "token", ""); return err })
		synctest.Wait()
		for _, release := range releases {
			release()
		}
		synctest.Wait()
		if calls.Load() != 10 {
			t.Errorf("%d calls at once, want 10", calls.Load())
		}
		if got := users(); got[-1] != 5 {
			t.Errorf("users: %v, want 5 answers", got)
		}
		strangers()
	})
}

func TestClientThatLeavesBeforeCoderIsAskedCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, calls, logs := hanging(t, 2)
		for range 2 {
			_, release, err := c.Hold(SignedIn(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			defer release()
		}
		ctx, leave := context.WithCancel(SignedIn(t.Context()))
		began := time.Now()
		s := remembering(t, nil)
		outcomes := inParallel(2, func(int) error { _, err := s.Renew(ctx, c, "token", ""); return err })
		synctest.Wait()
		leave()
		if got := outcomes(); got[Unreachable] != 2 || time.Since(began) != 0 {
			t.Errorf("waited %s: %v", time.Since(began), got)
		}
		if _, err := c.exchange(ctx, Code{Code: "code"}); !errors.Is(err, context.Canceled) {
			t.Errorf("exchange for a client that has left: %v", err)
		}
		if calls.Load() != 0 || logs.Len() != 0 {
			t.Errorf("%d calls, log: %v", calls.Load(), logs.All())
		}
	})
}

func TestTabThatLeavesTheQueueLeavesTheOthersThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := hanging(t, 2)
		_, release, _ := c.Hold(SignedIn(t.Context()))
		_, release2, _ := c.Hold(SignedIn(t.Context()))
		defer release2()
		s := remembering(t, nil)
		first, leave := context.WithCancel(SignedIn(t.Context()))
		one := inParallel(1, func(int) error { _, err := s.Renew(first, c, "token", ""); return err })
		synctest.Wait()
		two := inParallel(1, func(int) error { _, err := s.Renew(SignedIn(t.Context()), c, "token", ""); return err })
		synctest.Wait()
		leave()
		synctest.Wait()
		release()
		one()
		if got := two(); got[-1] != 1 {
			t.Errorf("the tab that stayed: %v", got)
		}
	})
}

func TestCallThatHasBegunOutlivesItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, calls, _ := hanging(t, 2)
		ctx, leave := context.WithCancel(t.Context())
		outcomes := inParallel(1, func(int) error { _, err := c.refresh(ctx, "token", ""); return err })
		synctest.Wait()
		leave()
		synctest.Wait()
		if calls.Load() != 1 {
			t.Error("the call has ended with its client")
		}
		if got := outcomes(); got[-1] != 1 {
			t.Errorf("%v, want the tokens", got)
		}
	})
}

func TestCallEndsAtTheDeadlineOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := hanging(t, 2)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		c.pool.http.Transport = timedOut{}
		if err := c.Revoke(ctx, "token"); From(err).Kind != Timeout || time.Since(began) != 5*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// timedOut never answers.
type timedOut struct{}

func (timedOut) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestHoldCoversSeveralCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, calls, _ := hanging(t, 2)
		ctx, leave := context.WithCancel(t.Context())
		held, release, err := c.Hold(ctx)
		if err != nil {
			t.Fatal(err)
		}
		leave()
		// Both would wait without it: strangers have one call of two.
		if _, err := c.exchange(held, Code{Code: "code"}); err != nil {
			t.Errorf("exchange: %v", err)
		}
		if _, err := c.Profile(held, "token"); err != nil {
			t.Errorf("profile: %v", err)
		}
		release()
		if _, release, err := c.Hold(t.Context()); err != nil || calls.Load() != 0 {
			t.Errorf("after the release: %v, %d calls", err, calls.Load())
		} else {
			release()
		}
	})
}

func TestBusyIsA503ThatSaysWhenToTryAgain(t *testing.T) {
	err := From(newLimiter(2, zap.NewNop()).busy(t.Context(), "refreshing", false))
	if err.GatewayStatus() != http.StatusServiceUnavailable || err.RetryAfter <= 0 || !strings.Contains(err.Hint(), "coder.oauth.maxConcurrentCalls") {
		t.Errorf("%+v: %d, %s", err, err.GatewayStatus(), err.Hint())
	}
	if strings.Contains(err.UserText(), "maxConcurrentCalls") {
		t.Errorf("users read %q", err.UserText())
	}
}

func TestRefusedCallsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		l := newLimiter(2, zap.New(core))
		for range 100 {
			_ = l.busy(t.Context(), "refreshing", false)
		}
		time.Sleep(logEvery)
		_ = l.busy(t.Context(), "refreshing", true)
		var refused []int64
		for _, line := range logs.All() {
			refused = append(refused, line.ContextMap()["refused"].(int64))
		}
		if !slices.Equal(refused, []int64{1, 100}) {
			t.Errorf("lines about %v refused calls, want about 1 and 100", refused)
		}
	})
}
