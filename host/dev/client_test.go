//go:build linux

package dev

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/understudy-host/understudy/host/dev/link"
)

// deadlines is a connection that keeps the deadline of its last write.
type deadlines struct {
	net.Conn
	write time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error { d.write = at; return nil }
func (d *deadlines) Write(p []byte) (int, error)         { return len(p), nil }

func TestClientThatDoesNotReadIsGivenUp(t *testing.T) {
	conn := new(deadlines)
	for range 2 {
		conn.write = time.Time{}
		if _, err := (&client{conn}).Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(conn.write); left <= 0 || left > bodyTimeout {
			t.Errorf("a write may take %v, want at most %v", left, bodyTimeout)
		}
	}
}

// A child whose queue of connections is full is asked again: nothing has been sent yet.
func TestFullQueueIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Listen(fd, 0), syscall.SetNonblock(fd, true)); err != nil {
		t.Fatal(err)
	}
	to := &route{child: &child{exited: make(chan struct{}), end: t.Context()}, socket: path}
	ctx := context.WithValue(t.Context(), routeKey{}, to)
	full := false
	for !full { // fill it
		conn, err := net.Dial("unix", path)
		if full = queueFull(err); err == nil {
			defer func() { _ = conn.Close() }()
		} else if !full {
			t.Fatal(err)
		}
	}
	dialled := make(chan error)
	go func() {
		conn, err := dial(ctx)
		if err == nil {
			err = conn.Close()
		}
		dialled <- err
	}()
	for accepting := true; accepting; {
		select {
		case err := <-dialled:
			if err != nil {
				t.Error(err)
			}
			accepting = false
		default:
			if conn, _, err := syscall.Accept(fd); err == nil {
				defer func() { _ = syscall.Close(conn) }()
			}
		}
	}
}

// A port that one child closes stays open for another one that has asked for it.
func TestPortStaysOpenForTheOtherChild(t *testing.T) {
	p := &parent{Options: Options{Grace: time.Second}}
	p.control = &control{children: make(map[string]*child)}
	s := newPorts(p)
	defer s.close()
	demo, err := s.open("demo", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	old, starting := &child{token: "old"}, &child{token: "starting"}
	for _, c := range []*child{old, starting} {
		c.sockets = map[*port]string{demo: "s"}
		p.control.add(c)
	}
	for _, step := range []struct {
		child *child
		open  bool
	}{{old, true}, {starting, false}} {
		s.leave(step.child, link.Listen{Name: demo.name, Address: demo.address})
		conn, err := net.Dial("tcp", demo.listener.Addr().String())
		if (err == nil) != step.open {
			t.Errorf("after %s has closed it: %v", step.child.token, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	p.children.Wait()
}
