//go:build unix

package cli

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/understudy-host/understudy/plugin/plugintest"
)

const processConfig = `
app: {baseUrl: 'http://localhost:3000'}
backend: {baseUrl: 'http://localhost:0', listen: '127.0.0.1:0', lifecycle: {serverShutdownDelay: {hours: 1}}}
coder: {deployment: {accessUrl: 'http://localhost:1'}, oauth: {clientId: id, clientSecret: a-client-secret}}
`

// process is a host in a process of its own. It runs in a new session, which has no controlling terminal.
type process struct {
	*exec.Cmd
	log *plugintest.Log
	url string
}

// startProcess starts this test's own binary as the program understudy, with one file and further arguments.
func startProcess(t *testing.T, config string, adapt func(*exec.Cmd)) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app-config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{exec.Command(binary), new(plugintest.Log), ""}
	p.Args = []string{"understudy", "--config", file}
	p.Env = append(os.Environ(), "NODE_ENV=", "LOG_LEVEL=", "FORCE_COLOR=0")
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p.Stdout, p.Stderr = p.log, p.log
	if adapt != nil {
		adapt(p.Cmd)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(30*time.Second, func() { _ = p.Process.Kill() })
	t.Cleanup(func() {
		late.Stop()
		_ = p.Process.Kill()
		_ = p.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return p
}

var listening = regexp.MustCompile(`url="([^"]+)"`)

// serves waits until the host serves.
func (p *process) serves(t *testing.T) *process {
	t.Helper()
	p.url = listening.FindStringSubmatch(p.log.Wait(t, "listening"))[1]
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// status returns the status of an answer.
func (p *process) status(t *testing.T, path string) int {
	t.Helper()
	answer, err := http.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode
}

const readiness, health = "/.backstage/health/v1/readiness", "/api/auth/coder/health"

func TestSecondSignalEndsTheDelayedStop(t *testing.T) {
	p := startProcess(t, processConfig, nil).serves(t)
	p.signal(t, syscall.SIGTERM)
	p.log.Wait(t, "another one ends the process at once")
	if ready, healthy := p.status(t, readiness), p.status(t, health); ready != 503 || healthy != 200 {
		t.Errorf("while the stop is delayed readiness is %d, want 503, and the plugin answers %d, want 200", ready, healthy)
	}
	p.signal(t, syscall.SIGTERM)
	_ = p.Wait()
	if got := p.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != syscall.SIGTERM {
		t.Errorf("the host ended with %v, want SIGTERM", p.ProcessState)
	}
}

// A remote document is read again only once a minute, or at SIGHUP.
func TestHangupReloadsWithoutATerminal(t *testing.T) {
	var title atomic.Value
	title.Store("app: {title: one}\n")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, title.Load().(string))
	}))
	defer server.Close()
	p := startProcess(t, processConfig, func(cmd *exec.Cmd) { cmd.Args = append(cmd.Args, "--config", server.URL) }).serves(t)
	for _, next := range []string{"two", "three"} {
		title.Store("app: {title: " + next + "}\n")
		p.signal(t, syscall.SIGHUP)
		p.log.Wait(t, "reading the configuration again")
		p.log.Wait(t, "the changed config is in use")
	}
	if got := p.status(t, readiness); got != 200 {
		t.Errorf("after SIGHUP readiness is %d, want 200", got)
	}
}

// The reader of the log goes away, or it stops reading.
func TestHostOutlivesTheReaderOfItsLog(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(reader *os.File) error
		both  bool // standard error goes to the same pipe
	}{
		"gone":                        {(*os.File).Close, false},
		"gone, standard error too":    {(*os.File).Close, true},
		"stalled, standard error too": {func(*os.File) error { return nil }, true},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			p := startProcess(t, processConfig, func(cmd *exec.Cmd) {
				cmd.Stdout = to
				if c.both {
					cmd.Stderr = to
				}
			})
			_ = to.Close()
			lines := bufio.NewScanner(from)
			for p.url == "" && lines.Scan() {
				if match := listening.FindStringSubmatch(lines.Text()); match != nil && strings.Contains(lines.Text(), " listening ") {
					p.url = match[1]
				}
			}
			if err := c.leave(from); err != nil {
				t.Fatal(err)
			}
			for range 1000 { // more than a pipe holds
				if got := p.status(t, health); got != 200 {
					t.Fatalf("the plugin answers %d", got)
				}
			}
			if !c.both {
				p.log.Wait(t, "log lines were lost: write /dev/stdout: broken pipe")
				if got := strings.Count(p.log.String(), "\n"); got != 1 {
					t.Errorf("standard error has %d lines, want 1:\n%s", got, p.log)
				}
			}
		})
	}
}

// full returns the end of a pipe that has no more room. Its reader is there until the test ends, but does not read.
func full(t *testing.T) *os.File {
	t.Helper()
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		t.Fatal(err)
	}
	for i, end := range ends {
		syscall.CloseOnExec(end)
		t.Cleanup(func() { _ = syscall.Close(ends[i]) })
	}
	if err := syscall.SetNonblock(ends[1], true); err != nil {
		t.Fatal(err)
	}
	for size := 4096; size > 0; size /= 2 {
		for err := error(nil); err == nil; {
			_, err = syscall.Write(ends[1], make([]byte, size))
		}
	}
	if err := syscall.SetNonblock(ends[1], false); err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(ends[1])
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(copied)
	return os.NewFile(uintptr(copied), "full pipe")
}

func TestErrorIsNotHeldUpByTheReaderOfStandardError(t *testing.T) {
	for name, args := range map[string][]string{"an unknown flag": {"--nope"}, "no config": {"--config", "nope.yaml"}, "a wrong format": {"--log-format", "xml"}} {
		t.Run(name, func(t *testing.T) {
			pipe := full(t)
			defer pipe.Close()
			p := startProcess(t, processConfig, func(cmd *exec.Cmd) {
				cmd.Args = append(cmd.Args, args...)
				cmd.Stderr = pipe
			})
			_ = p.Wait()
			if got := p.ProcessState.ExitCode(); got != 1 {
				t.Errorf("the program ended with %v, want status 1", p.ProcessState)
			}
		})
	}
}

// An error of many lines is shown as a whole.
func TestLongErrorIsShown(t *testing.T) {
	p := startProcess(t, processConfig, func(cmd *exec.Cmd) {
		cmd.Args = append(cmd.Args, "--config", strings.Repeat("x\n", 50_000)+".yaml")
	})
	_ = p.Wait()
	if got := strings.Count(p.log.String(), "understudy: x\n"); got < 49_000 {
		t.Errorf("%d lines of the error are shown", got)
	}
}

func TestLogFormat(t *testing.T) {
	for _, c := range []struct {
		production, flag string
		json             bool
	}{{"", "", false}, {"production", "", true}, {"development", "", false}, {"production", "text", false}, {"", "json", true}, {"development", "json", true}, {"production", "json", true}} {
		p := startProcess(t, processConfig, func(cmd *exec.Cmd) {
			cmd.Env = append(cmd.Env, "NODE_ENV="+c.production)
			if c.flag != "" {
				cmd.Args = append(cmd.Args, "--log-format", c.flag)
			}
		})
		p.log.Wait(t, "listening")
		_ = p.Process.Kill()
		_ = p.Wait()
		first, _, _ := strings.Cut(p.log.String(), "\n")
		if json.Valid([]byte(first)) != c.json || strings.Contains(first, "\x1b") {
			t.Errorf("NODE_ENV=%q, --log-format %q: %s", c.production, c.flag, first)
		}
	}
}
