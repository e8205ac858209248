//go:build unix

package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// activate makes a process inherit sockets as systemd hands them over: as descriptors from 3 on, with the process's own id
// in LISTEN_PID. The caller's copies are closed.
func activate(t *testing.T, names string, listeners ...net.Listener) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		for _, l := range listeners {
			file, err := l.(interface{ File() (*os.File, error) }).File()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = file.Close() })
			cmd.ExtraFiles = append(cmd.ExtraFiles, file)
		}
		// The shell replaces itself: its id becomes that of the host. The test binary is told by its name what to be.
		link := filepath.Join(t.TempDir(), "understudy")
		if err := os.Symlink(cmd.Path, link); err != nil {
			t.Fatal(err)
		}
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, link}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.Env = append(cmd.Env, "LISTEN_FDS="+string(rune('0'+len(listeners))), "LISTEN_FDNAMES="+names)
	}
}

func TestHostTakesInheritedSockets(t *testing.T) {
	tcp := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	path := filepath.Join(t.TempDir(), "b.sock")
	unix, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close() })
	config := strings.Replace(processConfig, "{hours: 1}", "{seconds: 0}", 1)
	first, second, third, fourth := tcp(), tcp(), tcp(), tcp()
	for name, test := range map[string]struct {
		names    string
		sockets  []net.Listener
		url, log string
	}{
		"the one of the unit":  {"understudy.socket", []net.Listener{first}, "http://" + first.Addr().String(), ""},
		"by its name":          {"metrics:backend", []net.Listener{second, third}, "http://" + third.Addr().String(), `understudy: the inherited socket "metrics" is not used`},
		"of two with one name": {"backend:backend", []net.Listener{fourth, second}, "http://" + fourth.Addr().String(), `understudy: the inherited socket "backend" is not used`},
		"a unix socket":        {"backend", []net.Listener{unix}, "http://unix:" + path + ":", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProcess(t, config, activate(t, test.names, test.sockets...)).serves(t)
			if p.url != test.url {
				t.Errorf("it serves at %s, want %s", p.url, test.url)
			}
			socket := test.sockets[0]
			if strings.HasPrefix(test.names, "metrics") {
				socket = test.sockets[1]
			}
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, socket.Addr().Network(), socket.Addr().String())
			}}}
			answer, err := client.Get("http://localhost" + health)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			if _ = answer.Body.Close(); answer.StatusCode != http.StatusOK {
				t.Errorf("status %d", answer.StatusCode)
			}
			p.signal(t, syscall.SIGTERM)
			if err := p.Wait(); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(p.log.String(), test.log) {
				t.Errorf("it does not say %q:\n%s", test.log, p.log)
			}
		})
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the host removed the socket of systemd: %v", err)
	}
}

// A restart behind an inherited socket refuses nobody: who comes meanwhile waits in the socket's queue.
func TestRestartBehindAnInheritedSocketRefusesNobody(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	config := strings.Replace(processConfig, "{hours: 1}", "{seconds: 0}", 1)
	first := startProcess(t, config, activate(t, "backend", socket)).serves(t)
	if got := first.status(t, health); got != http.StatusOK {
		t.Fatalf("status %d", got)
	}
	first.signal(t, syscall.SIGTERM)
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	status := make(chan int, 1)
	go func() { status <- first.status(t, health) }() // nobody serves yet
	startProcess(t, config, activate(t, "backend", socket)).serves(t)
	if got := <-status; got != http.StatusOK {
		t.Errorf("status %d", got)
	}
}

// Variables for another process are no sockets of this one.
func TestSocketsOfAnotherProcessAreLeftAlone(t *testing.T) {
	p := startProcess(t, processConfig, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "LISTEN_PID=1", "LISTEN_FDS=1") }).serves(t)
	if got := p.status(t, health); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
}
