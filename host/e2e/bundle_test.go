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

// bundle is client/client.js with Backstage's OAuth2 client in it. What npm installs is kept below .cache until
// the lockfile changes.
var bundle = sync.OnceValues(func() ([]byte, error) {
	dir := "../../.cache/e2e"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "client.js"} {
		text, err := os.ReadFile(filepath.Join("client", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			return nil, err
		}
		if name != "client.js" {
			lock.Write(text)
		}
	}
	mark, sum := filepath.Join(dir, "installed"), hex.EncodeToString(lock.Sum(nil))
	if old, _ := os.ReadFile(mark); string(old) != sum {
		npm := exec.Command("npm", "ci")
		npm.Dir = dir
		if output, err := npm.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("npm ci: %w\n%s", err, output)
		}
		if err := os.WriteFile(mark, []byte(sum), 0o644); err != nil {
			return nil, err
		}
	}
	esbuild := exec.Command("node_modules/.bin/esbuild", "client.js", "--bundle", "--format=esm",
		`--define:process.env.NODE_ENV="production"`)
	esbuild.Dir = dir
	var problems strings.Builder
	esbuild.Stderr = &problems
	script, err := esbuild.Output()
	if err != nil {
		return nil, fmt.Errorf("esbuild: %w\n%s", err, problems.String())
	}
	return script, nil
})

// client is a web server with the client's page.
type client struct {
	url    string // of the page: its origin and "/"
	origin string
	values struct{ Backend, Environment, Flow, AccessURL, ClientID string }
}

// newClient starts the app that is signed in to, on an origin with the given host name.
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

// of points the client at a host.
func (c *client) of(s *stack) *client {
	c.values.Backend, c.values.Environment, c.values.ClientID = s.backend, "development", clientID
	c.values.AccessURL = s.coder
	return c
}

// bridged points the older plugin at the bridge, as its accessUrl in the app's configuration does.
func (c *client) bridged() *client {
	c.values.AccessURL = c.values.Backend + "/api/auth/coder"
	return c
}

// newerConfig is the configuration as Backstage's auth backend spells it.
const newerConfig = `
auth:
  environment: development
  providers:
    coder:
      development:
        clientId: ` + clientID + `
        clientSecret: ` + clientSecret + `
        deploymentUrl: CODER
`
