// Package dev reloads the code of a backend while it serves. It is the parent of the backend's process: it owns the ports,
// passes each request on to the child, and builds the program anew when a file of it has changed. The new child is started
// first, then gets all new requests, and the old one finishes its own: nobody notices but by the new answers.
//
// The child is a program with host/cli. It asks its parent for its ports, and keeps its values there (package link).
package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/understudy-host/understudy/host/dev/link"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/memo"
)

// Bounds.
const (
	DefaultGrace = 5 * time.Second
	startTimeout = time.Minute     // until a child is ready
	stopTimeout  = 3 * time.Second // from SIGTERM to SIGKILL
	quickEnd     = 5 * time.Second // a child that ends sooner is not started again by itself
	maxDraining  = 3               // children that finish their requests
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
	children sync.WaitGroup
	number   int

	builds chan *build
	readies,
	exits chan *child
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
		builds: make(chan *build), readies: make(chan *child), exits: make(chan *child),
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

// socketFolder makes a folder that is only for this user. Its name is short: the path of a socket may have 104 bytes on
// macOS.
func socketFolder() (string, error) {
	const most = 104 - len("/c99999-999.sock") - 1
	dir, err := os.MkdirTemp("", "us-")
	if err == nil && len(dir) > most {
		_ = os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", "us-")
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

// loop is the life of the parent. Everything that happens comes here.
func (p *parent) loop(ctx context.Context, keys <-chan rune) {
	p.rebuild(ctx, nil, true)
	for {
		select {
		case <-ctx.Done():
			p.stop()
			return
		case files := <-p.watch.changes:
			p.rebuild(ctx, files, false)
		case key := <-keys:
			switch key {
			case 'r':
				p.rebuild(ctx, nil, true)
			case 'q':
				p.stop()
				return
			}
		case b := <-p.builds:
			p.built(ctx, b)
		case c := <-p.readies:
			p.swap(c)
		case c := <-p.exits:
			p.ended(ctx, c)
		}
	}
}

// rebuild begins a build. One that is under way is given up: its files have changed since.
func (p *parent) rebuild(ctx context.Context, files []string, force bool) {
	if p.build != nil {
		p.build.cancel()
		files, force = append(p.build.files, files...), force || p.build.force
	}
	p.number++
	b := &build{files: files, force: force, begin: time.Now(), output: filepath.Join(p.dir, fmt.Sprintf("b%d", p.number))}
	p.build = b
	var run context.Context
	run, b.cancel = context.WithCancel(ctx)
	p.children.Go(func() {
		b.run(run, p.Package)
		p.builds <- b
	})
}

// built starts a child with what was built.
func (p *parent) built(ctx context.Context, b *build) {
	defer b.cancel()
	if b != p.build { // a newer one is under way
		_ = os.Remove(b.output)
		return
	}
	p.build = nil
	if b.err != nil {
		p.fail("does not build", b.err.Error())
		return
	}
	p.watch.use(b.listed)
	if current := p.serving.Load(); !b.force && p.starting == nil && current != nil && current.build.sum == b.sum {
		_ = os.Remove(b.output)
		p.term.say("unchanged", "%s   built in %v", names(b.files), short(b.took))
		return
	}
	p.start(ctx, b)
}

// start starts a child, in place of one that is not ready yet.
func (p *parent) start(ctx context.Context, b *build) {
	if p.starting != nil {
		p.starting.kill()
		p.starting = nil
	}
	if _, err := p.readOptions(ctx); err != nil && ctx.Err() == nil {
		// The child says it too, with more words.
		p.term.quiet("the configuration cannot be used: " + err.Error())
	}
	p.number++
	c := newChild(p, b, fmt.Sprintf("c%d", p.number), rand.Text())
	p.starting = c
	p.control.add(c)
	if err := c.start(p.Args, link.Environ(p.control.path, c.id, c.token)); err != nil {
		p.starting = nil
		p.control.remove(c)
		p.fail("cannot be started", err.Error())
		return
	}
	p.children.Go(func() {
		late := time.AfterFunc(startTimeout, func() {
			select {
			case <-c.ready:
			default:
				c.tail.add(fmt.Sprintf("not ready within %v", startTimeout))
				c.kill()
			}
		})
		defer late.Stop()
		select {
		case <-c.ready:
			p.readies <- c
		case <-c.exited:
		}
		<-c.exited
		p.exits <- c
	})
}

// swap lets a child that is ready serve, and the one before finish its requests.
func (p *parent) swap(c *child) {
	if c != p.starting {
		return // killed meanwhile, for a newer one
	}
	p.starting = nil
	old := p.serving.Swap(c)
	p.trouble.Store(nil)
	c.since = time.Now()
	if old == nil {
		p.term.say("serving", "%s   built in %v, started in %v", p.ports.summary(), short(c.build.took), short(c.since.Sub(c.begun)))
	} else {
		p.term.say("reloaded", "%s   built in %v, switched in %v", names(c.build.files), short(c.build.took), short(c.since.Sub(c.begun)))
		p.drain(old)
	}
	p.ports.closeUnused(c)
}

// drain ends a child when its last request is answered, or after the grace.
func (p *parent) drain(c *child) {
	p.draining = append(p.draining, c)
	if len(p.draining) > maxDraining {
		close(p.draining[0].hurry)
		p.draining = p.draining[1:]
	}
	p.children.Go(func() {
		c.release() // of the parent itself
		timer := time.NewTimer(p.Grace)
		defer timer.Stop()
		select {
		case <-c.idle:
		case <-c.exited:
		case <-timer.C:
			p.cut(c)
		case <-c.hurry:
			p.cut(c)
		}
		c.terminate()
	})
}

// cut ends the streams of a child.
func (p *parent) cut(c *child) {
	if n := c.users.Load(); n > 0 {
		p.term.say("ended", "%d requests or streams of the old program, which did not end within %v", n, p.Grace)
	}
	c.cut()
}

// ended handles the end of a child's process.
func (p *parent) ended(ctx context.Context, c *child) {
	p.control.remove(c)
	c.cut()
	for i, d := range p.draining {
		if d == c {
			p.draining = append(p.draining[:i:i], p.draining[i+1:]...)
			break
		}
	}
	if current := p.serving.Load(); current == nil || current.build != c.build {
		_ = os.Remove(c.build.output)
	}
	switch {
	case c == p.starting:
		p.starting = nil
		p.fail("did not start", c.last())
	case c == p.serving.Load():
		text := c.last()
		p.trouble.Store(&text)
		p.serving.Store(nil)
		again := time.Since(c.since) > quickEnd && p.build == nil && p.starting == nil
		p.term.problem("the program has ended"+map[bool]string{true: ", and is started again", false: ": it is started again after a change, or with r"}[again], text)
		if again {
			p.start(ctx, c.build)
		}
	}
}

// fail tells of a change that cannot be used.
func (p *parent) fail(what, text string) {
	what = "the program " + what
	if p.serving.Load() != nil {
		p.term.problem(what+": the one before serves on", text)
		return
	}
	p.trouble.Store(&text)
	p.term.problem(what, text)
}

// stop ends everything. The ports are free at once.
func (p *parent) stop() {
	p.ports.close()
	if p.build != nil {
		p.build.cancel()
	}
	all := p.draining
	for _, c := range []*child{p.starting, p.serving.Load()} {
		if c != nil {
			all = append(all, c)
		}
	}
	for _, c := range all {
		c.cut()
		go c.terminate()
	}
	done := make(chan struct{})
	go func() {
		p.children.Wait()
		close(done)
	}()
	for {
		select {
		case <-done:
			return
		case b := <-p.builds:
			b.cancel()
		case <-p.readies:
		case <-p.exits:
		}
	}
}
