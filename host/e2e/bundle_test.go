//go:build e2e

package e2e

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

//go:embed client/client.html
var clientHTML string

var clientPage = template.Must(template.New("client").Parse(clientHTML))

// bundle returns client/client.js bundled with Backstage's OAuth2 client.
var bundle = sync.OnceValues(func() ([]byte, error) { return bundled("client", "client.js") })

// installed copies a folder of this package into .cache, installs there what its lockfile says, and returns the copy. What npm
// installs is kept until the lockfile changes. Only the packages in build may run programs to install themselves.
func installed(folder, source string, build ...string) (dir string, err error) {
	dir = "../../.cache/e2e-" + folder
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", source} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			return "", err
		}
		if name != source {
			lock.Write(text)
		}
	}
	mark, sum := filepath.Join(dir, "installed"), hex.EncodeToString(lock.Sum(nil))
	if old, _ := os.ReadFile(mark); string(old) == sum {
		return dir, nil
	}
	commands := [][]string{{"ci"}}
	if len(build) > 0 {
		commands = append(commands, append([]string{"rebuild", "--ignore-scripts=false"}, build...))
	}
	for _, command := range commands {
		npm := exec.Command("npm", command...)
		npm.Dir = dir
		if output, err := npm.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm %s: %w\n%s", command[0], err, output)
		}
	}
	return dir, os.WriteFile(mark, []byte(sum), 0o644)
}

// bundled returns a script of a folder, bundled with what npm installs for it.
func bundled(folder, source string) ([]byte, error) {
	dir, err := installed(folder, source)
	if err != nil {
		return nil, err
	}
	esbuild := exec.Command("node_modules/.bin/esbuild", source, "--bundle", "--format=esm", "--jsx=automatic", "--loader:.svg=dataurl",
		`--define:process.env.NODE_ENV="production"`)
	esbuild.Dir = dir
	var problems strings.Builder
	esbuild.Stderr = &problems
	script, err := esbuild.Output()
	if err != nil {
		return nil, fmt.Errorf("esbuild: %w\n%s", err, problems.String())
	}
	return script, nil
}

// client is a web server with the page of the client.
type client struct {
	url    string // of the page: the origin and "/"
	origin string
	values struct{ Backend, Environment, Flow, AccessURL, ClientID string }
}

// newClient serves an app that uses the client. name turns the server's URL into the app's origin.
func newClient(t *testing.T, name func(string) string) *client {
	t.Helper()
	if chromium.missing != "" {
		unable(t, chromium.missing)
	}
	if find("npm") == "" {
		unable(t, "there is no npm, which installs Backstage's client: install Node 20")
	}
	script, err := bundle()
	if err != nil {
		t.Fatal(err)
	}
	c := &client{}
	c.origin = name(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/client.js" {
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = w.Write(script)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none';script-src 'self';img-src data:;connect-src "+c.values.Backend)
		if err := clientPage.Execute(w, c.values); err != nil {
			t.Error(err)
		}
	})))
	c.url = c.origin + "/"
	return c
}

// of configures the client for a host.
func (c *client) of(s *stack) *client {
	c.values.Backend, c.values.Environment, c.values.ClientID = s.backend, "development", clientID
	c.values.AccessURL = s.coder
	return c
}

// bridged configures the legacy plugin for the bridge, as accessUrl in the app's configuration does.
func (c *client) bridged() *client {
	c.values.AccessURL = c.values.Backend + "/api/auth/coder"
	return c
}

// currentConfig is the configuration in the current spelling, that of Backstage's auth backend.
const currentConfig = `
auth:
  environment: development
  providers:
    coder:
      development:
        clientId: ` + clientID + `
        clientSecret: ` + clientSecret + `
        deploymentUrl: CODER
`
