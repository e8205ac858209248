package dev

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/understudy-host/understudy/host/dev/link"
)

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
			p.ended(c)
		case <-p.again:
			p.again = nil
			if p.failed != nil && p.build == nil && p.starting == nil && p.serving.Load() == nil {
				p.start(ctx, p.failed)
			}
		case <-p.configured:
			if p.failed != nil && p.build == nil && p.starting == nil {
				p.term.quiet("the configuration has changed: the program is started again")
				p.ends = 0
				p.start(ctx, p.failed)
			}
		}
	}
}

// remember keeps a program that has failed, for another attempt with another configuration, in place of the one before.
func (p *parent) remember(b *build) {
	if old, current := p.failed, p.serving.Load(); old != nil && old != b && (current == nil || current.build != old) {
		_ = os.Remove(old.output)
	}
	p.failed = b
}

// rebuild begins a build. One that is under way is given up: its files have changed since.
func (p *parent) rebuild(ctx context.Context, files []string, force bool) {
	if p.build != nil {
		p.build.cancel()
		files, force = append(p.build.files, files...), force || p.build.force
		slices.Sort(files)
		files = slices.Compact(files)
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
	p.build, p.ends = nil, 0
	p.watch.use(b.listed)
	if b.err != nil {
		p.fail("does not build", b.err.Error())
		return
	}
	if current := p.serving.Load(); !b.force && p.starting == nil && current != nil && same(current.build.output, b.output) {
		_ = os.Remove(b.output)
		p.term.say("unchanged", "built in %-6v %18s%s", short(b.took), "", names(b.files))
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
	p.remember(nil)
	c.since = time.Now()
	if old == nil {
		p.term.say("serving", "built in %-6v started in %-6v   %s", short(c.build.took), short(c.since.Sub(c.begun)), p.ports.summary())
	} else {
		p.term.say("reloaded", "built in %-6v switched in %-6v  %s", short(c.build.took), short(c.since.Sub(c.begun)), names(c.build.files))
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
			p.closeAnswers(c)
		case <-c.hurry:
			p.closeAnswers(c)
		}
		c.terminate(finishTime)
	})
}

// closeAnswers ends the answers of a child that have begun. What it has not answered, it may still do until its end.
func (p *parent) closeAnswers(c *child) {
	events, answers, upgrades := c.events.Load(), c.answers.Load(), c.upgrades.Load()
	if n := events + upgrades; n > 0 {
		p.term.say("ended", "%s of the old program: older than %v", count(n, "stream"), p.Grace)
	}
	if answers > 0 {
		p.term.say("cut", "%s of the old program: not complete after %v", count(answers, "answer"), p.Grace)
	}
	if n := c.users.Load() - events - answers - upgrades; n > 0 {
		p.term.say("waiting", "for %s that the old program has not answered after %v: at most %v more", count(n, "request"), p.Grace, finishTime)
	}
	c.close()
}

// ended handles the end of a child's process.
func (p *parent) ended(c *child) {
	p.control.remove(c)
	c.cut()
	for i, d := range p.draining {
		if d == c {
			p.draining = append(p.draining[:i:i], p.draining[i+1:]...)
			break
		}
	}
	current := p.serving.Load()
	switch {
	case c == p.starting:
		p.starting = nil
		p.remember(c.build)
		p.fail("did not start", c.last())
	case c == current:
		p.remember(c.build)
		text := c.last()
		p.trouble.Store(&text)
		p.serving.Store(nil)
		p.term.problem("the program has ended"+p.startAgain(time.Since(c.since)), text)
	case (current == nil || current.build != c.build) && p.failed != c.build && (p.starting == nil || p.starting.build != c.build):
		_ = os.Remove(c.build.output)
	}
}

// startAgain has a program that ended by itself started again, unless a newer one is on its way or it has ended soon too often.
// It says when.
func (p *parent) startAgain(lived time.Duration) string {
	if p.build != nil || p.starting != nil {
		return ": a newer one is on its way"
	}
	var pause time.Duration
	if p.ends++; lived > quickEnd {
		p.ends = 0
	} else if p.ends > maxQuickEnds {
		return ": it is started again after a change, or with r"
	} else {
		pause = firstPause << (p.ends - 1)
	}
	p.again = time.After(pause)
	if pause == 0 {
		return ", and is started again"
	}
	return fmt.Sprintf(", and is started again in %v", pause)
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
		go c.terminate(stopTimeout)
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
