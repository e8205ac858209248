//go:build benchreload && unix

package benchreload

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// All in one run, since the figures of two runs cannot be compared.
func TestReload(t *testing.T) {
	cache, err := filepath.Abs("../../.cache/benchreload")
	must(t, err)
	shim := t.TempDir()
	must(t, run(exec.Command("go", "build", "-o", filepath.Join(shim, "go"), "./testdata/timedgo")))
	began := time.Now()

	control := noReload(t, shim)
	var promises []promise
	dev := row{name: "`understudy dev`"}
	t.Run("dev", func(t *testing.T) { promises = ours(t, shim, control, &dev) })
	t.Run("log in the folder", func(t *testing.T) { promises = append(promises, logBeside(t, shim)...) })
	t.Run("growth", func(t *testing.T) { promises = append(promises, growth(t, shim)...) })
	tool1 := filepath.Join(cache, "air")
	rows := []row{
		control, dev,
		tool(t, "air 1.67.4, as `air init` sets it up", "measured", shim, withAir(tool1, false)),
		tool(t, "air 1.67.4, tuned", "measured", shim, withAir(tool1, false, tuned...)),
		tool(t, "air 1.67.4, tuned, with its proxy", "measured", shim, withAir(tool1, true, tuned...)),
		tool(t, "backstage-cli 0.36.8 `package start`", "backstage", shim, withBackstage(filepath.Join(cache, "backstage"))),
	}
	fmt.Printf("\n%s\n%s\n%s\n", heading(began), table(rows), verdicts(promises))
	for _, p := range promises {
		if !p.kept {
			t.Errorf("not kept: %s: %s, want %s", p.text, p.measured, p.limit)
		}
	}
}

// noReload measures a host whose code is not changed, beside the same builds. It shows what the machine does.
func noReload(t *testing.T, shim string) row {
	t.Helper()
	r := row{name: "the host alone, builds beside it"}
	t.Run("control", func(t *testing.T) {
		m := newModule(t, "measured")
		p, err := m.start(t, shim, filepath.Join(t.TempDir(), "log"), m.binary(t))
		must(t, err)
		p.measure(t, &r, 0, 50)
		l := startLoad(p.address, p.arrivals, clients)
		b := build{Dir: m.dir, Args: []string{"build", "-ldflags=-s -w", "-o", "built", "."}}
		alone := b.alone(t, m)
		alone()
		for range 20 {
			r.alone = append(r.alone, alone())
			time.Sleep(300 * time.Millisecond)
		}
		r.counts, r.doubled = r.counts.add(l.take()), r.doubled+l.end(t)
		r.stopped, r.left = p.stop(t)
	})
	return r
}

// binary builds the measured backend.
func (m *module) binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(m.dir), "measured-backend")
	command := exec.Command("go", "build", "-o", path, ".")
	command.Dir, command.Env = m.dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	must(t, run(command))
	return path
}

// startDev runs `understudy dev` on the module. The parent is the same program.
func (m *module) startDev(t *testing.T, shim, log string) *program {
	t.Helper()
	p, err := m.start(t, shim, log, m.binary(t), "dev", ".", "--", "--config", "app-config.yaml")
	must(t, err)
	return p
}
