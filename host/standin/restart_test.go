//go:build standin

package standin

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// count is how often each status was seen.
type count struct {
	sync.Mutex
	statuses map[int]int
}

func (c *count) take() map[int]int {
	c.Lock()
	defer c.Unlock()
	taken := c.statuses
	c.statuses = make(map[int]int)
	return taken
}

// Requests for both backends run all the time. Only those for Node notice that it is killed and comes back.
func TestNodeIsKilledAndRestartedUnderLoad(t *testing.T) {
	s := newStack(t)
	s.guestToken() // the key
	var own, node count
	own.take()
	node.take()
	stop := make(chan struct{})
	var load sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: time.Minute}
	run := func(path, want string, c *count) {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				answer, err := client.Get(s.host.URL() + path)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				body, err := io.ReadAll(answer.Body)
				_ = answer.Body.Close()
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				if answer.StatusCode == http.StatusOK && !strings.Contains(string(body), want) {
					t.Errorf("%s: %s", path, body)
				}
				if answer.StatusCode == http.StatusBadGateway && !strings.Contains(string(body), `"name":"BadGatewayError"`) {
					t.Errorf("%s: %s", path, body)
				}
				c.Lock()
				c.statuses[answer.StatusCode]++
				c.Unlock()
			}
		})
	}
	for range 4 {
		run("/api/auth/coder/health", `"status":"ok"`, &own)
		run("/api/auth/.well-known/jwks.json", `"keys"`, &node)
	}
	// until waits for a status of Node's, seen after the call.
	until := func(status int) {
		t.Helper()
		for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(10 * time.Millisecond) {
			node.Lock()
			seen := node.statuses[status]
			node.Unlock()
			if seen > 20 {
				return
			}
		}
		t.Fatalf("no answers with status %d within a minute", status)
	}
	until(http.StatusOK)
	for range 2 {
		s.kill()
		node.take()
		until(http.StatusBadGateway)
		s.start()
		node.take()
		until(http.StatusOK)
	}
	// From now on Node does not fail either.
	if seen := node.take(); len(seen) > 1 && seen[http.StatusOK] == 0 {
		t.Errorf("Node's statuses after the restart: %v", seen)
	}
	until(http.StatusOK)
	close(stop)
	load.Wait()
	client.CloseIdleConnections()
	if seen := node.take(); seen[http.StatusOK] == 0 || len(seen) != 1 {
		t.Errorf("Node's statuses at the end: %v", seen)
	}
	if seen := own.take(); len(seen) != 1 || seen[http.StatusOK] == 0 {
		t.Errorf("Coder's routes: %v, want 200 only", seen)
	} else {
		t.Logf("Coder's routes: %v", seen)
	}
	for _, line := range []string{"the fallback does not answer", "the fallback answers again"} {
		if !strings.Contains(s.host.Log.String(), line) {
			t.Errorf("the log does not say %q", line)
		}
	}
}
