//go:build benchreload && unix

package benchreload

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const (
	mayWait = 150 * time.Millisecond // the longest that a request may take
	clients = 32
	tooLate = 20 * time.Second // a save that is not shown by then is lost
)

// row is what was measured of one tool.
type row struct {
	name    string
	missing string // why it could not be had

	saves, shown  int
	total         []time.Duration // from a save of the code to the first new answer
	builds        []time.Duration // the tool's own `go build` of each
	rest          []time.Duration // the one less the other
	alone         []time.Duration // the same `go build` by itself
	config        []time.Duration // from a save of the configuration to the first new answer
	counts        counts
	doubled       int
	broken, crash string // what clients noticed of a build error, and of a crash at the start
	stopped       time.Duration
	left          string // after Ctrl-C
}

// measure saves code and configuration under load. If a save is shown, the same build is done once more by itself.
func (p *program) measure(t *testing.T, r *row, codes, words int) {
	t.Helper()
	l := startLoad(p.address, p.arrivals, clients)
	time.Sleep(time.Second)
	var alone func() time.Duration
	for range codes {
		r.saves++
		took, began, shown := p.change(t, l, p.code, "code")
		if !shown {
			continue
		}
		r.shown++
		r.total = append(r.total, took)
		if own := p.built(t, began); len(own) > 0 {
			last := own[len(own)-1]
			r.builds = append(r.builds, last.Ended.Sub(last.Began))
			r.rest = append(r.rest, took-last.Ended.Sub(last.Began))
			if alone == nil {
				alone = last.alone(t, p.module)
				alone()
			}
			r.alone = append(r.alone, alone())
		}
		time.Sleep(300 * time.Millisecond)
	}
	for range words {
		if took, _, shown := p.change(t, l, "app-config.yaml", "word"); shown {
			r.config = append(r.config, took)
		} else {
			t.Errorf("%s: a changed configuration is not shown after %s", r.name, tooLate)
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.counts = l.take()
	if codes > 0 {
		r.broken = p.disturb(t, l, "\n)\n")
		if p.code == "answer/code.go" {
			r.crash = p.disturb(t, l, "\nfunc init() { panic(\"a crash at the start\") }\n")
		} else {
			r.crash = p.disturb(t, l, "\nthrow new Error('a crash at the start');\n")
		}
	}
	r.doubled = l.end(t)
}

// change saves one file, and waits until an answer shows it.
func (p *program) change(t *testing.T, l *load, name, kind string) (took time.Duration, began time.Time, shown bool) {
	t.Helper()
	mark := p.next(kind)
	seen := l.want(mark)
	began = time.Now()
	p.save(t, name, mark)
	select {
	case at := <-seen:
		return at.Sub(began), began, true
	case <-time.After(tooLate):
		return tooLate, began, false
	}
}

// disturb saves code that cannot be built or run, and returns what the clients notice of it, until it is mended.
func (p *program) disturb(t *testing.T, l *load, text string) string {
	t.Helper()
	path := filepath.Join(p.dir, p.code)
	good, err := os.ReadFile(path)
	must(t, err)
	p.write(t, p.code, string(good)+text)
	time.Sleep(4 * time.Second)
	during := l.take()
	p.write(t, p.code, string(good))
	_, _, shown := p.change(t, l, p.code, "code")
	after := l.take()
	noticed := "nothing"
	if failed := during.failures() + after.failures(); failed > 0 {
		noticed = fmt.Sprintf("%d failed", failed)
	}
	if longest := max(during.longest, after.longest); longest > time.Second {
		noticed += fmt.Sprintf(", waits of %s", ms(longest))
	}
	if !shown {
		noticed += ", not mended"
	}
	return noticed
}

// tool installs what runs the backend, starts it, and measures it. prepare returns the command.
func tool(t *testing.T, name, source, bin string, prepare func(*module) ([]string, error)) row {
	t.Helper()
	r := row{name: name}
	t.Run(name, func(t *testing.T) {
		m := newModule(t, source)
		command, err := prepare(m)
		var p *program
		if err == nil {
			p, err = m.start(t, bin, filepath.Join(t.TempDir(), "log"), command...)
		}
		if err != nil {
			r.missing = err.Error()
			return
		}
		p.measure(t, &r, 8, 0)
		r.stopped, r.left = p.stop(t)
	})
	return r
}

func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return (times[(len(times)-1)/2] + times[len(times)/2]) / 2
}

func ms(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}
