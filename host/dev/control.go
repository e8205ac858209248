package dev

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/understudy-host/understudy/host/dev/link"
	"github.com/understudy-host/understudy/pkg/memo"
)

const controlName = "p.sock"

// control answers the children.
type control struct {
	path   string
	parent *parent
	server *http.Server
	closed chan struct{}

	mu       sync.Mutex
	children map[string]*child // by token
}

func serveControl(p *parent) (*control, error) {
	c := &control{path: filepath.Join(p.dir, controlName), parent: p, closed: make(chan struct{}), children: make(map[string]*child)}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", c.path)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+link.HoldPath, c.hold)
	mux.HandleFunc("POST "+link.ListenPath, answer(c, func(child *child, in link.Listen) (link.Listening, error) {
		return p.ports.listen(child, in)
	}))
	mux.HandleFunc("POST "+link.ClosePath, answer(c, func(child *child, in link.Listen) (struct{}, error) {
		p.ports.leave(child, in)
		return struct{}{}, nil
	}))
	mux.HandleFunc("POST "+link.LoadPath, answer(c, func(_ *child, in link.Value) (link.Value, error) {
		data, version, err := p.memo.Load(in.Name)
		return link.Value{Data: data, Version: version}, err
	}))
	mux.HandleFunc("POST "+link.SavePath, answer(c, func(_ *child, in link.Value) (link.Value, error) {
		version, err := p.memo.Save(in.Name, in.Data, in.Version)
		return link.Value{Version: version}, err
	}))
	mux.HandleFunc("POST "+link.ReadyPath, answer(c, func(child *child, _ struct{}) (struct{}, error) {
		child.setReady()
		return struct{}{}, nil
	}))
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

func (c *control) close() {
	close(c.closed)
	_ = c.server.Close()
}

func (c *control) add(child *child) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.children[child.token] = child
}

func (c *control) remove(child *child) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.children, child.token)
}

// uses reports whether a child has asked for a port.
func (c *control) uses(p *port) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, child := range c.children {
		if child.socket(p) != "" {
			return true
		}
	}
	return false
}

// child returns the child that sent a request.
func (c *control) child(r *http.Request) *child {
	token := r.Header.Get("Authorization")
	c.mu.Lock()
	defer c.mu.Unlock()
	for known, child := range c.children {
		if subtle.ConstantTimeCompare([]byte(known), []byte(token)) == 1 {
			return child
		}
	}
	return nil
}

// hold keeps its answer open until the parent ends: that is how a child notices it.
func (c *control) hold(w http.ResponseWriter, r *http.Request) {
	if c.child(r) == nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if c.parent.serving.Load() != nil {
		w.Header().Set(link.ReloadHeader, "true")
	}
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	select {
	case <-c.closed:
	case <-r.Context().Done():
	}
}

// answer returns a handler for one kind of message.
func answer[In, Out any](c *control, do func(*child, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		child := c.child(r)
		if child == nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var in In
		if err := json.NewDecoder(io.LimitReader(r.Body, link.MaxMessage)).Decode(&in); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		out, err := do(child, in)
		if err == nil {
			_ = json.NewEncoder(w).Encode(out)
			return
		}
		failure := link.Failure{Text: err.Error(), Changed: errors.Is(err, memo.ErrChanged)}
		failure.Errno, _ = errors.AsType[syscall.Errno](err)
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(failure)
	}
}
