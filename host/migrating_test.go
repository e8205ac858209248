package host_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/plugintest"
	"github.com/understudy-host/understudy/plugin/proxy"
)

// snippets returns the blocks of docs/migrating.md, by their language and the heading that they are below.
func snippets(t *testing.T) func(language, heading, first string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	return func(language, heading, first string) string {
		t.Helper()
		_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for rest := section; ; {
			_, after, ok := strings.Cut(rest, "```"+language+"\n")
			if !ok {
				t.Fatalf("no %s block below %q that begins with %q", language, heading, first)
			}
			block, next, _ := strings.Cut(after, "```\n")
			if strings.HasPrefix(block, first) {
				return block
			}
			rest = next
		}
	}
}

// node is a backend that says that it has answered.
func node(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "node "+r.URL.Path)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// app are the layers of an app that all backends read.
const app = `
app: {baseUrl: 'http://localhost:3000'}
coder:
  deployment: {accessUrl: 'https://coder.example.com'}
  oauth: {clientId: id, clientSecret: secret}
`

// The documented layers start a host, which sends each request where the text says.
func TestDocumentedLayersRouteAsTheySay(t *testing.T) {
	snippet := snippets(t)
	for _, test := range []struct{ heading, catalog string }{
		{"In front", "node /api/catalog"},
		{"Beside", ""},
		{"By discovery", "node /api/catalog"},
	} {
		t.Run(test.heading, func(t *testing.T) {
			layer := snippet("yaml", test.heading, "# app-config.understudy.yaml, the last")
			layer = strings.ReplaceAll(layer, "${UNDERSTUDY_SESSION_KEY}", strings.Repeat("k", 32))
			layer = regexp.MustCompile(`target: http://\S+`).ReplaceAllString(layer, "target: "+node(t))
			layer = regexp.MustCompile(`listen: \S+`).ReplaceAllString(layer, "listen: '127.0.0.1:0'")
			if test.heading == "Beside" {
				more := snippet("yaml", test.heading, "# app-config.understudy.yaml, too")
				if config := plugintest.Config(t, more); !hasKey(config.Has("discovery.endpoints")) {
					t.Error("the other part of the layer has no discovery.endpoints")
				}
				layer += more
			}
			if !strings.Contains(layer, "baseUrl") {
				layer = strings.Replace(layer, "backend:\n", "backend:\n  baseUrl: http://localhost:7007\n", 1)
			}
			h := plugintest.Open(t, app+layer, []plugin.Plugin{coder.Plugin(), proxy.Plugin()}...)
			for path, want := range map[string]string{"/api/auth/coder/health": `{"status":"ok"}`, "/api/catalog": test.catalog} {
				if _, body, _ := get(t, h.URL()+path); body != want {
					t.Errorf("%s is answered with %q, want %q", path, body, want)
				}
			}
		})
	}
}

func hasKey(has bool, err error) bool { return has && err == nil }

// The other side's layers load.
func TestDocumentedLayersOfTheOtherSideLoad(t *testing.T) {
	snippet := snippets(t)
	for _, test := range [][3]string{
		{"In front", "# app-config.node.yaml", "backend.trustProxy"},
		{"By discovery", "# app-config.yaml of the app", "discovery.endpoints"},
	} {
		if config := plugintest.Config(t, snippet("yaml", test[0], test[1])); !hasKey(config.Has(test[2])) {
			t.Errorf("%s: no %s", test[0], test[2])
		}
	}
}

// routes are where requests have to go beside a Node backend.
var routes = map[string]string{
	"/api/auth/coder/start": "understudy", "/api/proxy/coder/api/v2/workspaces": "understudy",
	"/api/auth/github/start": "node", "/api/proxy/other/x": "node", "/api/catalog/entities": "node", "/": "node",
}

func TestDocumentedIngressRoutesTwoPrefixes(t *testing.T) {
	var ingress struct {
		Spec struct {
			Rules []struct {
				HTTP struct {
					Paths []struct {
						Path     string
						PathType string `yaml:"pathType"`
						Backend  struct{ Service struct{ Name string } }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(snippets(t)("yaml", "Beside", "# ingress.yaml")), &ingress); err != nil {
		t.Fatal(err)
	}
	for path, want := range routes {
		got, longest := "", -1
		for _, p := range ingress.Spec.Rules[0].HTTP.Paths {
			if p.PathType != "Prefix" {
				t.Fatalf("pathType %s", p.PathType)
			}
			prefix := strings.TrimSuffix(p.Path, "/")
			if (path == prefix || strings.HasPrefix(path, prefix+"/")) && len(prefix) > longest {
				got, longest = strings.TrimPrefix(p.Backend.Service.Name, "backstage-"), len(prefix)
			}
		}
		if got != want {
			t.Errorf("%s goes to %q, want %s", path, got, want)
		}
	}
}

func TestDocumentedNginxRoutesTwoPrefixes(t *testing.T) {
	program, err := exec.LookPath("nginx")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("nginx is not installed")
	}
	block := snippets(t)("nginx", "Beside", "upstream")
	understudy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "understudy") }))
	defer understudy.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := listener.Addr().String()
	_ = listener.Close() // nginx cannot take it over
	block = strings.NewReplacer(
		"127.0.0.1:7008", strings.TrimPrefix(understudy.URL, "http://"), "127.0.0.1:7007", strings.TrimPrefix(node(t), "http://"), "listen 8080", "listen "+front,
	).Replace(block)
	dir := t.TempDir()
	config := "daemon off; master_process off; pid nginx.pid; error_log stderr; events {}\nhttp { access_log off;\n" + block + "}\n"
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config = strings.Replace(config, "access_log off;", "access_log off; "+name+"_temp_path "+filepath.Join(dir, name)+";", 1)
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log := new(plugintest.Log)
	command := exec.Command(program, "-p", dir, "-c", path)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(command.Process.Kill(), command.Wait()) }()
	for path, want := range routes {
		body := ""
		for range 200 { // until it listens
			answer, err := http.Get("http://" + front + path)
			if err != nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			text, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			body, _, _ = strings.Cut(string(text), " ")
			break
		}
		if body != want {
			t.Errorf("%s goes to %q, want %s\n%s", path, body, want, log)
		}
	}
}
