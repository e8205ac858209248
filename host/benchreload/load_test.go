//go:build benchreload && unix

package benchreload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	pause   = 20 * time.Millisecond // between an answer and the next request of a client
	patient = 20 * time.Second      // how long a client waits for an answer
)

// load is clients that each keep a connection, and send GET and POST in turn. They never send a request again.
type load struct {
	address  string
	name     string // makes the IDs of its requests unique
	arrivals string // the file in which the backend notes each request that arrives
	stop     context.CancelFunc
	clients  sync.WaitGroup

	mu     sync.Mutex
	counts counts
	wanted string         // a code or a word
	seen   chan time.Time // gets the time of the first answer with it
}

// counts is what the clients have seen.
type counts struct {
	requests int
	failed   map[string]int // by kind
	mixed    int            // answers of two versions in one, or of an older version than the one before
	longest  time.Duration
	slow     int // answers that took longer than mayWait
}

func (c counts) failures() (sum int) {
	for n := range maps.Values(c.failed) {
		sum += n
	}
	return sum
}

func (c counts) add(more counts) counts {
	for kind, n := range more.failed {
		c.failed[kind] += n
	}
	c.requests += more.requests
	c.mixed += more.mixed
	c.slow += more.slow
	c.longest = max(c.longest, more.longest)
	return c
}

func startLoad(address, arrivals string, clients int) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{
		address: address, arrivals: arrivals, stop: stop, counts: counts{failed: map[string]int{}},
		name: fmt.Sprint(time.Now().UnixNano()),
	}
	for n := range clients {
		l.clients.Go(func() { l.client(ctx, n) })
	}
	return l
}

// end stops the clients, and returns how many requests arrived twice.
func (l *load) end(t *testing.T) (doubled int) {
	t.Helper()
	l.stop()
	l.clients.Wait()
	text, err := os.ReadFile(l.arrivals)
	if err != nil {
		t.Fatal(err)
	}
	ids := strings.Fields(string(text))
	slices.Sort(ids)
	return len(ids) - len(slices.Compact(ids))
}

// take returns the counts since the last call.
func (l *load) take() counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.counts
	l.counts = counts{failed: map[string]int{}}
	return taken
}

// want returns a channel that gets the time of the first answer with the mark.
func (l *load) want(mark string) <-chan time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted, l.seen = mark, make(chan time.Time, 1)
	return l.seen
}

func (l *load) client(ctx context.Context, n int) {
	var c *client
	last := ""
	for i := 0; ctx.Err() == nil; i++ {
		began := time.Now()
		var err error
		if c == nil {
			c, err = dial(l.address)
		}
		var version string
		if err == nil {
			version, err = c.ask(fmt.Sprintf("%s-%d-%d", l.name, n, i), i%2 == 1)
		}
		l.note(version, last, time.Since(began), err)
		if err == nil {
			last = version
			err = c.idle()
			if err != nil && ctx.Err() == nil {
				l.note("", "", 0, err)
			}
		} else {
			time.Sleep(pause)
		}
		if err != nil && c != nil {
			_ = c.conn.Close()
			c = nil
		}
	}
	if c != nil {
		_ = c.conn.Close()
	}
}

// note counts an answer, or its failure.
func (l *load) note(version, last string, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !errors.Is(err, errIdle) {
		l.counts.requests++
		l.counts.longest = max(l.counts.longest, took)
		if took > mayWait {
			l.counts.slow++
		}
	}
	switch {
	case errors.Is(err, errMixed) || err == nil && older(version, last):
		l.counts.mixed++
	case err != nil:
		l.counts.failed[kind(err)]++
	}
	if err != nil || l.wanted == "" {
		return
	}
	if code, word, _ := strings.Cut(version, " "); code == l.wanted || word == l.wanted {
		l.seen <- time.Now()
		l.wanted = ""
	}
}

var (
	errIdle  = errors.New("closed while idle")
	errMixed = errors.New("an answer of two versions")
)

// kind returns a word for a failure.
func kind(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, errIdle):
		return "idle closed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "EOF"
	case errors.As(err, &network) && network.Timeout():
		return "time-out"
	}
	return err.Error()
}

// older reports whether a version is older than another one. Versions are codes and words with numbers.
func older(version, than string) bool {
	var a, b [2]int
	_, _ = fmt.Sscanf(version, "code-%d word-%d", &a[0], &a[1])
	if n, _ := fmt.Sscanf(than, "code-%d word-%d", &b[0], &b[1]); n < 2 {
		return false
	}
	return a[0] < b[0] || a[1] < b[1]
}

// client is a connection that is kept.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(address string) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, patient)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReader(conn)}, nil
}

// ask sends a request and returns the version of the backend that has answered.
func (c *client) ask(id string, post bool) (string, error) {
	_ = c.conn.SetDeadline(time.Now().Add(patient))
	const head = " /api/measured/answer HTTP/1.1\r\nHost: x\r\nX-Id: "
	request, sent := "GET"+head+id+"\r\n\r\n", 0
	if post {
		sent = 1000
		request = fmt.Sprintf("POST%s%s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", head, id, sent, strings.Repeat("x", sent))
	}
	if _, err := io.WriteString(c.conn, request); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", answer.StatusCode)
	}
	version := answer.Header.Get("X-Version")
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	if len(lines) != 4 || lines[0] != version || lines[3] != version || len(lines[1]) != 8<<10 || lines[2] != fmt.Sprint(sent) {
		return "", fmt.Errorf("%w: %s, %.60q", errMixed, version, body)
	}
	return version, nil
}

// idle waits until the next request is due. A connection that ends meanwhile is a failure: a client that had just
// sent a request on it would not know whether it was read.
func (c *client) idle() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(pause))
	_, err := c.in.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("%w: %w", errIdle, err)
}
