//go:build abuse && linux

package abuse

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// How much there is of everything.
const (
	users    = 10
	measured = 12 * time.Second // longer than Coder may take for a call
	waves    = 3
	wave     = 1000 // made-up requests at once
	open     = 200  // connections at once of those who wait for the answer

	maxMemory      = 80 << 10 // kB
	maxDescriptors = 600
)

func TestStrangersCannotExhaustTheHost(t *testing.T) {
	coder := &fakeCoder{}
	server := httptest.NewServer(coder)
	defer server.CloseClientConnections()
	coder.url = server.URL
	host := startHost(t, server.URL)
	var all []user
	for i := range users {
		u := newUser(host)
		if err := u.signIn(fmt.Sprintf("real-code-%d", i)); err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	before := measure(t, all, measured/4)
	idle := row{"nobody", host.memory.now.Load(), host.fds.now.Load(), 0, before}
	host.memory.peak.Store(0)
	host.fds.peak.Store(0)

	flood := make(chan map[string]int, 1)
	go func() { flood <- attack(host) }()
	during := measure(t, all, measured)
	answers := <-flood
	flooded := row{"3,000 made-up requests", host.memory.peak.Load(), host.fds.peak.Load(), coder.calls.peak.Load(), during}
	for range 300 { // until Coder's time is over for the last ones
		if coder.calls.now.Load() == 0 && host.fds.now.Load() < 50 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	after := row{"nobody any more", host.memory.now.Load(), host.fds.now.Load(), coder.calls.now.Load(), measure(t, all, measured/4)}
	t.Logf("\n%s\nanswers to made-up requests: %v", table(idle, flooded, after), answers)

	if flooded.memory > maxMemory || flooded.fds > maxDescriptors {
		t.Errorf("%d kB and %d descriptors, want at most %d and %d", flooded.memory, flooded.fds, maxMemory, maxDescriptors)
	}
	for _, share := range []float64{0.5, 0.95} {
		if usually, now := part(before, share), part(during, share); now > 2*usually {
			t.Errorf("%.0f %% of the users are answered within %s, usually %s: want at most twice that", 100*share, now, usually)
		}
	}
	if err := newUser(host).signIn("real-code-at-the-end"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// measure has the users refresh for a while, and returns their times in order.
func measure(t *testing.T, all []user, long time.Duration) []time.Duration {
	var mu sync.Mutex
	var times []time.Duration
	var group sync.WaitGroup
	end := time.Now().Add(long)
	for _, u := range all {
		group.Go(func() {
			for time.Now().Before(end) {
				took, err := u.refresh()
				if err != nil {
					t.Errorf("a user who is signed in: %v", err)
					return
				}
				mu.Lock()
				times = append(times, took)
				mu.Unlock()
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	group.Wait()
	slices.Sort(times)
	return times
}

// attack sends the waves of made-up requests, and counts the answers.
func attack(host *process) map[string]int {
	var mu sync.Mutex
	answers := map[string]int{}
	var group sync.WaitGroup
	slots := make(chan struct{}, open)
	for n := range waves {
		for i := range wave {
			text, patient := madeUp(host, n*wave+i), i%2 == 0
			if !patient {
				hitAndRun(host, text)
				continue
			}
			group.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				answer := await(host, text)
				mu.Lock()
				defer mu.Unlock()
				answers[answer]++
			})
		}
		time.Sleep(measured / (waves + 1))
	}
	group.Wait()
	answers["(gone at once)"] = waves * wave / 2
	return answers
}

// madeUp returns a request with a token or a code that nobody has issued.
func madeUp(host *process, i int) string {
	const head = "%s /api/auth/coder%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Requested-With: XMLHttpRequest\r\n%s\r\n"
	switch i % 8 {
	case 0, 1:
		return fmt.Sprintf(head, "GET", fmt.Sprintf("/oauth/callback?code=guess-%d", i), "")
	case 2, 3: // a flow that was really begun, with a made-up code
		u := newUser(host)
		_, _, state, _ := u.call("/start?env=production")
		u.CloseIdleConnections()
		var cookies []string
		at, _ := url.Parse(host.url + "/api/auth/coder/handler/frame")
		for _, cookie := range u.Jar.Cookies(at) {
			cookies = append(cookies, cookie.Name+"="+cookie.Value)
		}
		return fmt.Sprintf(head, "GET", fmt.Sprintf("/handler/frame?code=guess-%d&state=%s", i, url.QueryEscape(state)),
			"Cookie: "+strings.Join(cookies, "; ")+"\r\n")
	case 4:
		return fmt.Sprintf(head, "POST", "/logout?env=production", fmt.Sprintf("Content-Length: 0\r\nCookie: coder-refresh-token=guess-%d\r\n", i))
	}
	return fmt.Sprintf(head, "GET", "/refresh?env=production", fmt.Sprintf("Cookie: coder-refresh-token=guess-%d\r\n", i))
}

// hitAndRun sends a request and is gone.
func hitAndRun(host *process, request string) {
	conn, err := net.Dial("tcp", host.address)
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, request)
	_ = conn.Close()
}

// await sends a request and waits for the status of the answer.
func await(host *process, request string) string {
	conn, err := net.Dial("tcp", host.address)
	if err != nil {
		return "(no connection)"
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(40 * time.Second))
	_, _ = io.WriteString(conn, request)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "(no answer)"
	}
	return answer.Status
}

// row is one line of the table.
type row struct {
	name        string
	memory, fds int64
	calls       int64 // that hang at Coder
	times       []time.Duration
}

// part returns the time within which a share of the users is answered.
func part(times []time.Duration, share float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[int(share*float64(len(times)-1))].Round(time.Millisecond / 10)
}

func table(rows ...row) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "strangers\tRSS\tdescriptors\thanging calls\trefreshes\tmedian\t95 %\tslowest")
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%d MB\t%d\t%d\t%d\t%s\t%s\t%s\n", r.name, r.memory>>10, r.fds, r.calls, len(r.times),
			part(r.times, 0.5), part(r.times, 0.95), part(r.times, 1))
	}
	_ = w.Flush()
	return text.String()
}
