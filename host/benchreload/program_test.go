//go:build benchreload && unix

package benchreload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// module is a folder with the source and the configuration of the measured backend.
type module struct {
	dir     string
	code    string // the file with the code
	address string // where the backend listens
	saves   int
}

// newModule copies the backend out of this repository, into a module of its own.
func newModule(t *testing.T, source string) *module {
	t.Helper()
	m := &module{dir: filepath.Join(t.TempDir(), source), code: "answer/code.go", address: freeAddress(t)}
	must(t, os.CopyFS(m.dir, os.DirFS(filepath.Join("testdata", source))))
	if source == "backstage" {
		m.code = "src/code.ts"
	} else {
		root, err := filepath.Abs("../..")
		must(t, err)
		requirements, err := os.ReadFile(filepath.Join(root, "go.mod"))
		must(t, err)
		_, required, _ := strings.Cut(string(requirements), "\n") // all but the name of the module
		m.write(t, "go.mod", "module example.com/measured\n"+required+
			"\nrequire github.com/understudy-host/understudy v0.0.0\n\nreplace github.com/understudy-host/understudy => "+root+"\n")
		sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
		must(t, err)
		m.write(t, "go.sum", string(sums))
	}
	_, port, err := net.SplitHostPort(m.address)
	must(t, err)
	config, err := os.ReadFile(filepath.Join(m.dir, "app-config.yaml"))
	must(t, err)
	m.write(t, "app-config.yaml", strings.ReplaceAll(string(config), "PORT", port))
	return m
}

// freeAddress returns an address that nobody listens on, as far as one can tell.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func (m *module) write(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600))
}

// next returns a new mark for the code or for the word of the configuration.
func (m *module) next(kind string) (mark string) {
	m.saves++
	return fmt.Sprintf("%s-%d", kind, m.saves)
}

// save puts a mark into a file, in place of the older one. Every other save is a rename, as some editors do it.
func (m *module) save(t *testing.T, name, mark string) {
	t.Helper()
	kind, _, _ := strings.Cut(mark, "-")
	path := filepath.Join(m.dir, name)
	text, err := os.ReadFile(path)
	must(t, err)
	before, rest, _ := strings.Cut(string(text), kind+"-")
	changed := before + mark + strings.TrimLeft(rest, "0123456789")
	if m.saves%2 == 0 {
		m.write(t, name, changed)
		return
	}
	m.write(t, name+"~", changed)
	must(t, os.Rename(path+"~", path))
}

// program is a running tool, or a host.
type program struct {
	*module
	command  *exec.Cmd
	log      string // its file
	arrivals string
	builds   string // the file of timedgo
	ended    chan struct{}
}

// start runs a command in the folder of the module, and waits until the backend answers. The environment of the
// command makes its `go build` note the time.
func (m *module) start(t *testing.T, bin, log string, args ...string) (*program, error) {
	t.Helper()
	dir := t.TempDir()
	p := &program{
		module: m, log: log, arrivals: filepath.Join(dir, "arrivals"), builds: filepath.Join(dir, "builds"),
		command: exec.Command(args[0], args[1:]...), ended: make(chan struct{}),
	}
	golang, err := exec.LookPath("go")
	must(t, err)
	out, err := os.Create(log)
	must(t, err)
	defer out.Close()
	p.command.Dir, p.command.Stdout, p.command.Stderr = m.dir, out, out
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.command.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "MEASURED_GO="+golang,
		"MEASURED_ARRIVALS="+p.arrivals, "MEASURED_BUILDS="+p.builds, "MEASURED_PARENT="+m.socket(), "GOFLAGS=-mod=mod", "GOWORK=off", "PWD="+m.dir)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		for _, one := range descendants(t, p.command.Process.Pid) { // some have groups of their own
			_ = syscall.Kill(one.pid, syscall.SIGKILL)
		}
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		<-p.ended
		if text, err := os.ReadFile(log); os.Getenv("KEEP") != "" && err == nil {
			_ = os.WriteFile(os.Getenv("KEEP"), text, 0o600)
		} else if t.Failed() && err == nil {
			t.Logf("the end of the log of %v:\n%s", args, text[max(0, len(text)-4000):])
		}
	})
	for range 1200 {
		if c, err := dial(m.address); err == nil {
			_, err = c.ask("start", false)
			_ = c.conn.Close()
			if err == nil {
				return p, os.Remove(p.arrivals)
			}
		}
		select {
		case <-p.ended:
			text, _ := os.ReadFile(log)
			return nil, fmt.Errorf("it has ended: %s", bytes.TrimSpace(text))
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, errors.New("it does not answer")
}

func (m *module) socket() string { return filepath.Join(filepath.Dir(m.dir), "p") }

// stop presses Ctrl-C, and returns how long the tool takes to end, and what is left then.
func (p *program) stop(t *testing.T) (took time.Duration, left string) {
	t.Helper()
	pids := descendants(t, p.command.Process.Pid)
	began := time.Now()
	must(t, syscall.Kill(-p.command.Process.Pid, syscall.SIGINT))
	select {
	case <-p.ended:
		took = time.Since(began)
	case <-time.After(10 * time.Second):
		return time.Since(began), "it does not end"
	}
	if listener, err := net.Listen("tcp", p.address); err != nil {
		left = "the port is in use"
	} else {
		_ = listener.Close()
	}
	for _, one := range pids {
		if syscall.Kill(one.pid, 0) == nil {
			left = strings.TrimPrefix(left+fmt.Sprintf(", process %d lives", one.pid), ", ")
			_ = syscall.Kill(one.pid, syscall.SIGKILL)
		}
	}
	return took, left
}

// build is one `go build`.
type build struct {
	Dir          string
	Args         []string
	Began, Ended time.Time
}

// built returns the builds since a time.
func (p *program) built(t *testing.T, since time.Time) (all []build) {
	t.Helper()
	text, _ := os.ReadFile(p.builds)
	for line := range bytes.Lines(text) {
		var b build
		must(t, json.Unmarshal(line, &b))
		if b.Began.After(since) {
			all = append(all, b)
		}
	}
	return all
}

// alone makes a copy of the module, and returns a function that changes its code and does the same build there.
func (b build) alone(t *testing.T, m *module) func() time.Duration {
	t.Helper()
	other := *m
	other.dir = filepath.Join(t.TempDir(), "alone")
	must(t, os.CopyFS(other.dir, os.DirFS(m.dir)))
	args := slices.Clone(b.Args)
	if i := slices.Index(args, "-o"); i >= 0 {
		args[i+1] = filepath.Join(other.dir, "built")
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], m.dir, other.dir)
	}
	return func() time.Duration {
		other.saves += 100_000 // so that no build is in the cache
		other.save(t, other.code, other.next("code"))
		command := exec.Command("go", args...)
		command.Dir, command.Env = strings.ReplaceAll(b.Dir, m.dir, other.dir), append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		began := time.Now()
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
		return time.Since(began)
	}
}

// numbers are what a process holds.
type numbers struct{ Pid, Goroutines, Heap, fds, rss int }

// ask gets the numbers of the parent, or of the child that answers.
func (p *program) ask(t *testing.T, parent bool) (n numbers) {
	t.Helper()
	text := p.get(t, parent, "")
	must(t, json.Unmarshal([]byte(text), &n))
	if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.Pid)); err == nil {
		n.fds = len(open)
	}
	for _, one := range processes(t) {
		if one.pid == n.Pid {
			n.rss = one.rss
		}
	}
	return n
}

func (p *program) get(t *testing.T, parent bool, query string) string {
	t.Helper()
	client := &http.Client{Timeout: patient, Transport: &http.Transport{DisableKeepAlives: true}}
	if parent {
		client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.socket())
		}}
	}
	answer, err := client.Get("http://" + p.address + "/api/measured/numbers" + query)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return string(text)
}

// process is a line of ps.
type process struct{ pid, parent, rss int }

func processes(t *testing.T) (all []process) {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,rss=").Output()
	must(t, err)
	for line := range strings.Lines(string(out)) {
		var one process
		if _, err := fmt.Sscan(line, &one.pid, &one.parent, &one.rss); err == nil {
			all = append(all, one)
		}
	}
	return all
}

// descendants returns the processes that a process has started, and those that they have, dead ones too.
func descendants(t *testing.T, pid int) (found []process) {
	t.Helper()
	all, parents := processes(t), []int{pid}
	for len(parents) > 0 {
		parent := parents[0]
		parents = parents[1:]
		for _, one := range all {
			if one.parent == parent {
				found = append(found, one)
				parents = append(parents, one.pid)
			}
		}
	}
	return found
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
