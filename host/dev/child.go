package dev

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// child is one process of the backend.
type child struct {
	id, token string
	build     *build
	begun     time.Time // when it was started
	since     time.Time // when it began to serve
	tls       bool      // the host's port speaks TLS
	cmd       *exec.Cmd
	out       *terminal
	tail      *tail

	ready  chan struct{} // closed when it serves
	exited chan struct{} // closed when the process has ended
	err    error         // how it ended
	once   sync.Once

	users    atomic.Int64  // the requests, and the parent until it drains the child
	answers  atomic.Int64  // of them, those whose answer has begun,
	events   atomic.Int64  // whose answer is an event stream,
	upgrades atomic.Int64  // or whose connection was upgraded
	idle     chan struct{} // closed when there are none
	hurry    chan struct{} // closed when there are too many children

	over  context.Context    // ended when the child shuts down and the grace of its requests is over
	close context.CancelFunc // ends answers that have begun
	end   context.Context
	cut   context.CancelFunc // ends what is under way

	mu      sync.Mutex
	sockets map[*port]string
}

func newChild(p *parent, b *build, id, token string) *child {
	c := &child{
		id: id, token: token, build: b, out: p.term, tail: &tail{}, tls: p.ports.speaksTLS(),
		ready: make(chan struct{}), exited: make(chan struct{}), idle: make(chan struct{}), hurry: make(chan struct{}),
		sockets: make(map[*port]string),
	}
	c.users.Store(1) // the parent
	c.over, c.close = context.WithCancel(context.Background())
	c.end, c.cut = context.WithCancel(context.Background())
	return c
}

// start starts the process. It is in a process group of its own, so that Ctrl-C reaches the parent alone.
func (c *child) start(args []string, environ string) error {
	c.cmd = exec.Command(c.build.output, args...) //nolint:gosec // the program that was just built
	c.cmd.Env = append(os.Environ(), environ)
	if c.out.color && os.Getenv("FORCE_COLOR") == "" {
		c.cmd.Env = append(c.cmd.Env, "FORCE_COLOR=1") // it writes to a pipe
	}
	c.cmd.SysProcAttr = ownGroup()
	output := &lines{write: func(line []byte) {
		c.tail.add(string(bytes.TrimRight(line, "\n")))
		c.out.write(line)
	}}
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.WaitDelay = output, output, time.Second
	c.begun = time.Now()
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() {
		c.err = c.cmd.Wait()
		output.flush()
		killGroup(c.cmd.Process) // what it may have left behind
		close(c.exited)
	}()
	return nil
}

// setReady is called when the child says that it serves.
func (c *child) setReady() { c.once.Do(func() { close(c.ready) }) }

// hold adds a request. It fails if the child has finished.
func (c *child) hold() bool {
	for {
		n := c.users.Load()
		if n == 0 {
			return false
		}
		if c.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release removes a request.
func (c *child) release() {
	if c.users.Add(-1) == 0 {
		close(c.idle)
	}
}

// terminate asks the process to end, and ends it if it does not within that time, or soon after there are too many of
// them. It returns when the process has ended.
func (c *child) terminate(within time.Duration) {
	terminate(c.cmd.Process)
	select {
	case <-c.exited:
	case <-time.After(within):
		c.kill()
	case <-c.hurry:
		select {
		case <-c.exited:
		case <-time.After(min(within, stopTimeout)):
			c.kill()
		}
	}
	<-c.exited
	c.cut()
}

func (c *child) kill() { killGroup(c.cmd.Process) }

// last returns how the process ended, and its last lines.
func (c *child) last() string {
	text := strings.Join(c.tail.lines(), "\n")
	if c.err != nil {
		text += fmt.Sprintf("\n(%v)", c.err)
	}
	return strings.TrimSpace(text)
}

// tail keeps the last lines that a process has written.
type tail struct {
	mu   sync.Mutex
	kept []string
}

// Limits of a tail.
const (
	tailLines = 25
	tailWidth = 400
)

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if line = plain(line); len(line) > tailWidth {
		line = strings.ToValidUTF8(line[:tailWidth], "") + "…"
	}
	t.kept = append(t.kept[max(0, len(t.kept)-tailLines+1):], line)
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.kept...)
}

// lines passes whole lines on, or pieces of very long ones.
type lines struct {
	write func(line []byte)
	mu    sync.Mutex
	begun []byte
}

// Write implements io.Writer.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = append(l.begun, text...)
	for {
		i := bytes.IndexByte(l.begun, '\n')
		if i < 0 && len(l.begun) > 64<<10 {
			i = len(l.begun) - 1
		}
		if i < 0 {
			return len(text), nil
		}
		l.write(l.begun[:i+1])
		l.begun = l.begun[i+1:]
	}
}

// flush passes on a last line without its end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.begun) > 0 {
		l.write(append(l.begun, '\n'))
		l.begun = nil
	}
}
