package backstageauth

import (
	"sync"
	"time"
)

// budget limits how often something is done: burst times at once, and then once in each interval.
type budget struct {
	burst    int
	interval time.Duration

	mu   sync.Mutex
	full time.Time // when it will have been restored
}

// take reports whether it may be done now, and counts it.
func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full.Before(now) {
		b.full = now
	}
	next := b.full.Add(b.interval)
	if next.Sub(now) > time.Duration(b.burst)*b.interval {
		return false
	}
	b.full = next
	return true
}
