// Package dev reloads the code of a backend while it serves. It is the parent of the backend's process: it owns the ports,
// passes each request on to the child, and builds the program anew when a file of it has changed. The new child is started
// first, then gets all new requests, and the old one finishes its own: nobody notices but by the new answers.
//
// The child is a program with host/cli. It asks its parent for its ports, and keeps its values there (package link).
package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/memo"
)

// Bounds.
const (
	DefaultGrace = 5 * time.Second
	startTimeout = time.Minute      // until a child is ready
	stopTimeout  = 3 * time.Second  // from SIGTERM to SIGKILL, when the parent ends
	finishTime   = 40 * time.Second // the same for an old child: a host gives its requests 30 s, and its hooks 10 s
	quickEnd     = 5 * time.Second  // a child that ends sooner is started again with more and more delay,
	firstPause   = 100 * time.Millisecond
	maxQuickEnds = 5 // and after so many only with a change
	maxDraining  = 3 // children that finish their requests
)

// Options say what to run.
type Options struct {
	Name    string            // of the program, for errors
	Package string            // the main package, as go build takes it
	Args    []string          // of the child
	Config  appconfig.Options // where the child finds its configuration
	Grace   time.Duration     // how long an old child may finish its requests
	In      io.Reader         // the keys; nil for none
	Out     io.Writer         // the terminal, for the child's lines as well
	Color   bool              // Out shows colours
}

// parent is a running dev. Its loop alone changes what is not atomic.
type parent struct {
	Options
	term    *terminal
	dir     string // of the sockets and binaries
	memo    memo.Memory
	ports   *ports
	control *control
	watch   *watcher

	serving atomic.Pointer[child]
	trouble atomic.Pointer[string] // why nothing serves, for people who ask meanwhile

	starting *child
	draining []*child
	build    *build // under way
	failed   *build // whose program ended at its start, nil if there is none
	ends     int    // of a program that ended soon, in a row
	again    <-chan time.Time
	children sync.WaitGroup
	number   int

	builds chan *build
	readies,
	exits chan *child
	configured chan struct{} // the configuration has changed
}

// Run serves until ctx ends or the user quits. Its error says why it could not begin.
func Run(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	p := &parent{
		Options: o, term: &terminal{out: o.Out, color: o.Color},
		builds: make(chan *build), readies: make(chan *child), exits: make(chan *child), configured: make(chan struct{}, 1),
	}
	files, err := list(ctx, o.Package)
	if err == nil {
		err = files.check(o.Package)
	}
	if err != nil {
		return err
	}
	if p.dir, err = socketFolder(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.dir)) }()
	p.ports = newPorts(p)
	defer p.ports.close()
	if err := p.listenFirst(ctx); err != nil {
		return err
	}
	if p.control, err = serveControl(p); err != nil {
		return err
	}
	defer p.control.close()
	p.watch = newWatcher(files)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { p.watch.run(ctx) })
	watching.Go(func() { p.ports.followConfig(ctx, o.Config) })
	p.term.say("watching", "%s", files.summary())
	p.loop(ctx, p.keys(ctx))
	return nil
}

// folderName begins the names of our temporary folders.
const folderName = "understudy-dev"

// removeStale removes the folders of parents that were killed: nobody answers at their sockets any more.
func removeStale() {
	for _, dir := range []string{os.TempDir(), "/tmp"} {
		sockets, _ := filepath.Glob(filepath.Join(dir, folderName+"*", controlName))
		for _, socket := range sockets {
			conn, err := net.DialTimeout("unix", socket, time.Second)
			if err == nil {
				_ = conn.Close()
			} else if errors.Is(err, syscall.ECONNREFUSED) {
				_ = os.RemoveAll(filepath.Dir(socket))
			}
		}
	}
}

// socketFolder makes a folder that is only for this user. Its name is short: the path of a socket may have 104 bytes on
// macOS.
func socketFolder() (string, error) {
	const most = 104 - len("/c99999-999.sock") - 1
	removeStale()
	dir, err := os.MkdirTemp("", folderName)
	if err == nil && len(dir) > most {
		_ = os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", folderName)
	}
	if err == nil && len(dir) > most {
		err = errors.Join(fmt.Errorf("the path of the temporary folder %s is too long for sockets, expected at most %d bytes: set TMPDIR", dir, most), os.Remove(dir))
	}
	return dir, err
}

// listenFirst opens the port of the host before there is a child: two parents on one port are noticed at once, and a
// browser gets a page. If the configuration does not load, the child will say so.
func (p *parent) listenFirst(ctx context.Context) error {
	options, err := p.readOptions(ctx)
	if err != nil {
		p.term.problem("the configuration cannot be used", err.Error())
		return nil
	}
	_, err = httpserver.Listen(ctx, func(_ context.Context, name, address string) (net.Listener, error) {
		opened, err := p.ports.open(name, address)
		if err != nil {
			return nil, err
		}
		return opened.listener, nil
	}, options)
	return err
}

// readOptions reads the server's options, and has the host's port speak TLS or not.
func (p *parent) readOptions(ctx context.Context) (httpserver.Options, error) {
	config, err := appconfig.Load(ctx, p.Config)
	if err != nil {
		return httpserver.Options{}, err
	}
	options, err := httpserver.ReadOptions(config)
	if err == nil {
		p.ports.useTLS(options)
	}
	return options, err
}
