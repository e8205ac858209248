//go:build benchreload && unix

package benchreload

import (
	"cmp"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// promise is one of docs/reloading.md, with what was measured.
type promise struct {
	text, measured, limit string
	kept                  bool
}

func most(text string, measured, limit time.Duration) promise {
	return promise{text, ms(measured), "at most " + ms(limit), measured <= limit}
}

func none(text string, n int, detail string) promise {
	return promise{text, fmt.Sprint(n) + detail, "0", n == 0}
}

// ours measures `understudy dev`: 20 saves of the code and 50 of the configuration.
func ours(t *testing.T, shim string, control row, r *row) []promise {
	m := newModule(t, "measured")
	p := m.startDev(t, shim, filepath.Join(t.TempDir(), "log"))
	p.measure(t, r, 20, 50)
	r.stopped, r.left = p.stop(t)
	longest := mayWait
	if control.counts.longest > longest { // the machine alone makes requests wait longer
		longest = control.counts.longest
	}
	promises := reloaded("20 code reloads and 50 config reloads", r, longest)
	return append(promises,
		promise{"saves of the code that are shown", fmt.Sprint(r.shown), fmt.Sprint(r.saves), r.shown == r.saves},
		most("code save to first new answer, less `go build` alone (medians)", median(r.total)-median(r.alone), 100*time.Millisecond),
		most("config save to first new answer (median)", median(r.config), 100*time.Millisecond),
		promise{"noticed of a build error", r.broken, "nothing", r.broken == "nothing"},
		promise{"noticed of a crash at the start", r.crash, "nothing", r.crash == "nothing"},
		promise{"left after Ctrl-C", cmp.Or(r.left, "nothing"), "nothing", r.left == ""},
	)
}

// reloaded returns what is promised of every reload.
func reloaded(what string, r *row, longest time.Duration) []promise {
	return []promise{
		none(what+": requests failed, refused or reset", r.counts.failures(), detail(r.counts.failed)),
		none(what+": requests that arrived twice", r.doubled, ""),
		none(what+": answers of two versions, or of an older one again", r.counts.mixed, ""),
		most(what+": longest wait", r.counts.longest, longest),
	}
}

// logBeside measures reloads of the configuration while the log is written into its folder.
func logBeside(t *testing.T, shim string) []promise {
	m := newModule(t, "measured")
	p := m.startDev(t, shim, filepath.Join(m.dir, "backend.log"))
	var r row
	p.measure(t, &r, 0, 50)
	p.stop(t)
	return append(reloaded("50 config reloads, the log in the same folder", &r, mayWait),
		most("config save to first new answer, the log in the same folder (median)", median(r.config), 100*time.Millisecond))
}

// growth measures what the processes hold before and after many reloads.
func growth(t *testing.T, shim string) []promise {
	const codes, words = 50, 1000
	m := newModule(t, "measured")
	p := m.startDev(t, shim, filepath.Join(t.TempDir(), "log"))
	var promises []promise
	times := func(name, kind string, n int) {
		t.Helper()
		l := startLoad(p.address, p.arrivals, 4)
		var r row
		for range n {
			if _, _, shown := p.change(t, l, name, kind); !shown {
				t.Errorf("a save of %s is not shown", name)
			}
		}
		r.counts, r.doubled = l.take(), l.end(t)
		if n >= codes {
			promises = append(promises, reloaded(fmt.Sprintf("%d reloads of %s in a row", n, name), &r, mayWait)[:3]...)
		}
	}
	times(m.code, "code", 3)
	times("app-config.yaml", "word", 20)
	parent, child := p.settled(t, true), p.settled(t, false)
	processes := len(descendants(t, p.command.Process.Pid))
	times("app-config.yaml", "word", words)
	promises = append(promises, p.grown(t, fmt.Sprintf("child, %d config reloads", words), child, p.settled(t, false), false)...)
	child = p.settled(t, false)
	times(m.code, "code", codes)
	promises = append(promises, p.grown(t, fmt.Sprintf("child, %d code reloads", codes), child, p.settled(t, false), false)...)
	promises = append(promises, p.grown(t, "parent, all of them", parent, p.settled(t, true), true)...)
	after := len(descendants(t, p.command.Process.Pid))
	promises = append(promises, promise{"child processes", fmt.Sprintf("%d → %d", processes, after), "no more", after <= processes})
	p.stop(t)
	return promises
}

// settled asks a process what it holds, until that does not fall any more.
func (p *program) settled(t *testing.T, parent bool) numbers {
	t.Helper()
	now := p.ask(t, parent)
	for same := 0; same < 4; same++ {
		time.Sleep(500 * time.Millisecond)
		next := p.ask(t, parent)
		if next.Goroutines < now.Goroutines || next.fds < now.fds || next.Heap < now.Heap-now.Heap/50 {
			same = 0
		}
		now = next
	}
	return now
}

// grown compares what a process held with what it holds. Goroutines and descriptors are counted, with two for what the
// runtime opens when it likes; memory may vary by a tenth and 4 MB, which is 4 kB for each of 1,000 reloads.
func (p *program) grown(t *testing.T, who string, before, after numbers, parent bool) []promise {
	t.Helper()
	compare := func(what string, a, b, slack int, unit string) promise {
		return promise{who + ": " + what, fmt.Sprintf("%d → %d%s", a, b, unit), fmt.Sprintf("at most %d%s", a+slack, unit), b <= a+slack}
	}
	promises := []promise{
		compare("goroutines", before.Goroutines, after.Goroutines, 2, ""),
		compare("descriptors", before.fds, after.fds, 2, ""),
		compare("heap after a collection", before.Heap>>10, after.Heap>>10, before.Heap>>10/4+512, " kB"),
		compare("resident memory", before.rss, after.rss, before.rss/10+4<<10, " kB"),
	}
	if !promises[0].kept {
		t.Logf("%s: the goroutines:\n%s", who, p.get(t, parent, "?stacks"))
	}
	return promises
}
