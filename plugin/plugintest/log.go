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
	waited  int       // the length of the text that Wait has searched
	changed sync.Cond // tells Wait to look again; its lock is mu
}

// Write adds a line.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.changed.Broadcast()
	return l.text.Write(line)
}

// String returns all that has been written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Wait waits for the next occurrence of phrase and returns the rest of its line. The next call continues after it.
// Wait fails the test after half a minute.
func (l *Log) Wait(t testing.TB, phrase string) string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.L = &l.mu
	deadline := time.Now().Add(patience)
	defer time.AfterFunc(patience, func() { _, _ = l.Write(nil) }).Stop()
	for {
		_, after, found := strings.Cut(l.text.String()[l.waited:], phrase)
		if found {
			l.waited = l.text.Len() - len(after)
			rest, _, _ := strings.Cut(after, "\n")
			return strings.TrimSpace(rest)
		}
		if !time.Now().Before(deadline) {
			t.Fatalf("the log does not say %q:\n%s", phrase, l.text.String())
		}
		l.changed.Wait()
	}
}
