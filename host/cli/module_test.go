package cli

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/understudy-host/understudy/plugin/plugintest"
)

// page matches the files that docs/plugins.md shows.
var page = regexp.MustCompile("(?s)```\\w+ file=(\\S+)\n(.*?)```")

// The module of docs/plugins.md is built outside this one, offline and from the module cache only. Its tests, one of
// them in a real host with a reload, and its commands are run.
func TestPluginInAModuleOfItsOwn(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs/plugins.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, file := range page.FindAllStringSubmatch(string(text), -1) {
		write(t, filepath.Join(dir, file[1]), file[2])
	}
	requirements, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, required, _ := strings.Cut(string(requirements), "\n") // all but the name of the module
	write(t, filepath.Join(dir, "go.mod"), "module example.com/hello-backend\n"+required+
		"\nrequire github.com/understudy-host/understudy v0.0.0\n\nreplace github.com/understudy-host/understudy => "+root+"\n")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.sum"), string(sums))

	for _, step := range []struct{ command, want string }{
		{"go vet ./...", ""},
		{"go test ./...", "ok  \texample.com/hello-backend/hello"},
		{"go build -o backend .", ""},
		{"./backend config:check --strict", "Loaded config from app-config.yaml"},
		{"./backend config:print --package hello", "apiKey: <secret>"},
		{"./backend --version", "version"},
		{"./backend serve", `backend: unknown command "serve"`},
	} {
		command := exec.CommandContext(t.Context(), "sh", "-c", step.command)
		command.Dir = dir
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		out, err := command.CombinedOutput()
		if refused := strings.Contains(step.want, "unknown"); (err != nil) != refused || !strings.Contains(string(out), step.want) {
			t.Fatalf("%s: %v\n%s", step.command, err, out)
		}
	}
	serve(t, dir)
}

// serve runs the backend in dir as a user would: it greets, takes a changed greeting, and ends at a signal.
func serve(t *testing.T, dir string) {
	t.Helper()
	log := new(plugintest.Log)
	backend := exec.CommandContext(t.Context(), "./backend")
	backend.Dir, backend.Stdout, backend.Stderr = dir, log, log
	backend.Env = append(os.Environ(), "APP_CONFIG_backend_baseUrl=http://localhost:0", "APP_CONFIG_backend_listen=127.0.0.1:0", "FORCE_COLOR=0")
	if err := backend.Start(); err != nil {
		t.Fatal(err)
	}
	url, _, _ := strings.Cut(log.Wait(t, `listening url="`), `"`)
	config := filepath.Join(dir, "app-config.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, greeting := range []string{"Hello", "Good morning"} {
		if greeting != "Hello" {
			write(t, config, strings.Replace(string(text), "Hello", greeting, 1))
			log.Wait(t, "the changed config is in use")
		}
		answer, err := http.Get(url + "/api/hello/greeting")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || string(body) != greeting {
			t.Errorf("got %q, %v, want %q", body, err, greeting)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := errors.Join(backend.Process.Signal(syscall.SIGTERM), backend.Wait()); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
	if strings.Contains(log.String(), "very-secret") {
		t.Errorf("the log holds the secret:\n%s", log)
	}
}

// A backend without the Coder plugin links nothing of it.
func TestHostWithoutCoderHoldsNothingOfIt(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "understudy/host\n") || strings.Contains(string(out), "plugin/coder") {
		t.Errorf("host/cli depends on\n%s", out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
