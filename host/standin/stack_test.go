//go:build standin

package standin

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/plugintest"
)

// app is the origin of the frontend.
const app = "http://localhost:3000"

// nodeConfig is the configuration of the Node backend: its port, the host's URL, and that of the server that its proxy calls.
// Its own Coder provider has another client than the host's plugin.
const nodeConfig = `
app: {title: stand-in, baseUrl: '` + app + `'}
backend:
  baseUrl: %[2]s
  listen: {host: 127.0.0.1, port: %[1]d}
  trustProxy: loopback
  auth: {externalAccess: [%[4]s]}
  cors: {origin: '` + app + `', methods: [GET, POST], credentials: true}
  database: {client: better-sqlite3, connection: ':memory:'}
auth:
  environment: development
  providers:
    guest: {}
    coder: {development: {clientId: of-node, clientSecret: secret-of-node, deploymentUrl: '%[3]s'}}
proxy:
  endpoints:
    /coder: {target: '%[3]s', allowedMethods: [GET, POST], allowedHeaders: [Coder-Session-Token]}
    /open: {target: '%[3]s', credentials: dangerously-allow-unauthenticated}
    /gone: {target: 'http://127.0.0.1:9', credentials: dangerously-allow-unauthenticated}
`

const hostConfig = `
app: {baseUrl: '` + app + `'}
backend:
  cors: {origin: '` + app + `', methods: [GET, POST], credentials: true}
  auth: {externalAccess: [%[2]s]}
understudy: {fallback: {target: 'http://127.0.0.1:%[1]d'}}
coder:
  deployment: {accessUrl: 'http://127.0.0.1:9'}
  oauth: {clientId: of-the-host, clientSecret: secret-of-the-host-itself}
`

// externalAccess is for both of them.
const externalAccess = `
      {type: static, options: {token: a-static-token, subject: ci}},
      {type: static, options: {token: a-static-token-of-others, subject: other}, accessRestrictions: [{plugin: catalog}, {plugin: search}]},
      {type: static, options: {token: a-restricted-token, subject: few}, accessRestrictions: [
        {plugin: caller, permission: 'a.read b.read', permissionAttribute: {action: [read]}}, {plugin: who, permission: 'a.read b.read', permissionAttribute: {action: [read]}}]},
      {type: legacy, options: {secret: bGVnYWN5LXNlY3JldA==, subject: old}}`

// stack is a host with a Node backend behind it, and the server that the backend's proxy calls.
type stack struct {
	t      *testing.T
	host   *plugintest.Host
	node   string // the address of the Node backend
	dir    string
	config string
	kill   func()
}

// newStack starts all of them.
func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{t: t, dir: backendDir(t)}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/large" {
			_, _ = io.WriteString(w, `"`+strings.Repeat("0123456789abcdef", 1<<16)+`"`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, `{"method":%q,"url":%q,"body":%d}`, r.Method, r.RequestURI, len(body))
	}))
	t.Cleanup(target.Close)
	port := freePort(t)
	s.node = fmt.Sprintf("127.0.0.1:%d", port)
	s.host = plugintest.Open(t, fmt.Sprintf(hostConfig, port, externalAccess), coder.Plugin(), who())
	s.config = filepath.Join(t.TempDir(), "app-config.yaml")
	content := fmt.Sprintf(nodeConfig, port, "http://localhost:"+s.hostPort(), target.URL, externalAccess)
	if err := os.WriteFile(s.config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(func() { s.kill() })
	return s
}

func (s *stack) hostPort() string { return s.host.URL()[strings.LastIndexByte(s.host.URL(), ':')+1:] }

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// start starts the Node backend, and waits until it is ready.
func (s *stack) start() {
	s.t.Helper()
	node := exec.Command("node", "index.js", "--config", s.config)
	node.Dir = s.dir
	node.Env = append(os.Environ(), "NODE_ENV=development", "LOG_LEVEL=info")
	out, err := node.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	var log strings.Builder
	node.Stderr = &log
	if err := node.Start(); err != nil {
		s.t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		said := sync.OnceFunc(func() { close(ready) })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), "Plugin initialization complete") {
				said()
			}
		}
		_ = node.Wait()
	}()
	s.kill = sync.OnceFunc(func() {
		_ = node.Process.Kill()
		<-ended
	})
	select {
	case <-ready:
	case <-ended:
		s.t.Fatalf("the Node backend ended:\n%s", log.String())
	case <-time.After(time.Minute):
		s.t.Fatal("the Node backend does not start within a minute")
	}
	for begun := time.Now(); ; { // it answers from a moment later on
		answer, err := http.Get("http://" + s.node + "/.backstage/health/v1/readiness")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Since(begun) > time.Minute {
			s.t.Fatalf("the Node backend is not ready: %v", err)
		}
	}
}
