package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page matches the files that docs/plugins.md shows.
var page = regexp.MustCompile("(?s)```\\w+ file=(\\S+)\n(.*?)```")

// The module of docs/plugins.md is built outside this one, offline and from the module cache alone; its tests, among
// them one in a real host with a reload, and its commands are run.
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
}

// A backend that does not have the Coder plugin links nothing of it.
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
