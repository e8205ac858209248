package plugintest

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long Wait waits before it fails the test.
const patience = 30 * time.Second

// Log is a log that a test reads while a host writes it. The zero value is ready to use.
type Log struct {
	mu      sync.Mutex
	text    strings.Builder
	waited  int           // how much of the text Wait has gone past
	changed chan struct{} // closed by the next Write; nil if nobody waits
}

// Write adds a line.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return l.text.Write(line)
}

// String returns all that has been written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Wait returns the rest of the line behind the next occurrence of phrase. It waits for it, and goes on behind it
// the next time. It fails the test after half a minute.
func (l *Log) Wait(t testing.TB, phrase string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		rest, changed := l.next(phrase)
		if changed == nil {
			return rest
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("the log does not say %q:\n%s", phrase, l)
		}
	}
}

// next returns the rest of the line behind phrase, or a channel that is closed when there is more to look at.
func (l *Log) next(phrase string) (rest string, changed chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, after, found := strings.Cut(l.text.String()[l.waited:], phrase)
	if !found {
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		return "", l.changed
	}
	l.waited = l.text.Len() - len(after)
	rest, _, _ = strings.Cut(after, "\n")
	return strings.TrimSpace(rest), nil
}
