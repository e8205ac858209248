//go:build abuse && linux

package abuse

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a host that runs as operators run it.
type process struct {
	url, address string
	pid          int
	memory, fds  gauge // in kB, and open
}

// startHost builds and starts the host for a Coder, and samples what it takes until the test ends.
func startHost(t *testing.T, coder string) *process {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "understudy")
	if out, err := exec.Command("go", "build", "-o", binary, "../understudy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// A free port, as far as one can tell.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(address)
	config := filepath.Join(t.TempDir(), "app-config.yaml")
	text := fmt.Sprintf(`app: { baseUrl: 'http://localhost:3000' }
backend: { baseUrl: 'http://%[1]s', listen: { host: 127.0.0.1, port: %[2]s } }
understudy: { session: { keys: [0123456789abcdef0123456789abcdef] } }
auth:
  environment: production
  providers: { coder: { production: { clientId: id, clientSecret: secret-of-the-client, deploymentUrl: '%[3]s' } } }
`, address, port, coder)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "--config", config)
	command.Stdout, command.Stderr, command.Env = log, log, append(os.Environ(), "NODE_ENV=production")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{url: "http://" + address, address: address, pid: command.Process.Pid}
	ctx, stop := context.WithCancel(context.Background())
	go p.sample(ctx)
	t.Cleanup(func() {
		stop()
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			lines := strings.Split(string(text), "\n")
			t.Logf("the end of the host's log:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
	for range 200 {
		if answer, err := http.Get(p.url + "/.backstage/health/v1/readiness"); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return p
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the host does not get ready")
	return nil
}

// sample reads what the process takes, until ctx ends.
func (p *process) sample(ctx context.Context) {
	for ctx.Err() == nil {
		if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid)); err == nil {
			p.fds.now.Store(int64(len(open)))
			p.fds.see(int64(len(open)))
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
		if _, rest, ok := strings.Cut(string(status), "VmRSS:"); ok {
			var kB int64
			_, _ = fmt.Sscan(rest, &kB)
			p.memory.now.Store(kB)
			p.memory.see(kB)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// user is a browser.
type user struct {
	*http.Client
	host *process
}

func newUser(host *process) user {
	jar, _ := cookiejar.New(nil)
	return user{&http.Client{
		Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, host}
}

// call returns the status, the body, and the state if the answer leads to Coder.
func (u user) call(path string) (status int, body, state string, err error) {
	request, err := http.NewRequest(http.MethodGet, u.host.url+"/api/auth/coder"+path, nil)
	if err != nil {
		return 0, "", "", err
	}
	request.Header.Set("X-Requested-With", "XMLHttpRequest")
	answer, err := u.Do(request)
	if err != nil {
		return 0, "", "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if to, parseErr := url.Parse(answer.Header.Get("Location")); parseErr == nil {
		state = to.Query().Get("state")
	}
	return answer.StatusCode, string(text), state, err
}

// signIn signs in with a code.
func (u user) signIn(code string) error {
	_, _, state, err := u.call("/start?env=production&scope=")
	if err != nil {
		return err
	}
	_, body, _, err := u.call("/handler/frame?code=" + code + "&state=" + url.QueryEscape(state))
	if err == nil && !strings.Contains(body, "You are signed in") && !strings.Contains(body, "real-access") {
		return fmt.Errorf("the sign-in failed: %.300s", body)
	}
	return err
}

// refresh refreshes the session, and returns how long that took.
func (u user) refresh() (time.Duration, error) {
	began := time.Now()
	status, body, _, err := u.call("/refresh?env=production&optional")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %.200s", status, body)
	}
	return time.Since(began), err
}
