//go:build e2e

package e2e

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/understudy-host/understudy/plugin/plugintest"
)

// A sign-in that began before a reload of the code ends after it, and its session outlives the next one, with the
// stand-in for Coder and the demo app in the process that is replaced.
func TestSignInOutlivesReload(t *testing.T) {
	for _, way := range protocols {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			d := startDev(t)
			page := newProfile(t).open(d.demo)
			page.wait(signedOut)
			page.click(way.button)
			popup := page.popup()
			popup.click("#user-lin")
			popup.wait(`document.querySelector('#allow') !== null`)

			d.save("second")
			popup.click("#allow")
			page.wait(listed)
			popup.closed()
			if got := page.text("#user-email"); !strings.HasPrefix(got, "lin@") {
				t.Errorf("signed in as %q, want the user who was chosen before the reload", got)
			}
			if way.button == "#sign-in" {
				d.save("third")
				page.click("#refresh")
				page.wait(listed + ` && document.querySelector('#status').textContent.startsWith('Session refreshed')`)
			}
			popup.clean()
			page.clean()
		})
	}
}

// dev is `understudy dev` on a copy of this repository's main package.
type dev struct {
	t                  *testing.T
	dir, backend, demo string
}

// edition is a file that the test changes. The answer to an unknown route shows it.
const edition = `package main

import "net/http"

const edition = "first"

func shown(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Edition", edition)
		next.ServeHTTP(w, r)
	})
}
`

const notFound = "http.HandlerFunc(coder.NotFound)" // in main.go

func startDev(t *testing.T) *dev {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	d := &dev{t: t, dir: t.TempDir()}
	_, required, _ := strings.Cut(read("go.mod"), "\n") // all but the name of the module
	for name, text := range map[string]string{
		"go.mod": "module example.com/backend\n" + required + "\nrequire github.com/understudy-host/understudy v0.0.0\n\n" +
			"replace github.com/understudy-host/understudy => " + root + "\n",
		"go.sum":                read("go.sum"),
		"main.go":               strings.Replace(read("host/understudy/main.go"), notFound, "shown("+notFound+")", 1),
		"edition.go":            edition,
		"app-config.yaml":       read("app-config.yaml"),
		"app-config.local.yaml": read("app-config.local.yaml"),
	} {
		write(t, filepath.Join(d.dir, name), text)
	}
	// A free port, as far as one can tell: the log need not tell it then.
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close()
	d.backend = "http://localhost:" + port
	environ := append(os.Environ(), freePorts...)
	environ = append(environ, "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "APP_CONFIG_backend_baseUrl="+d.backend, "APP_CONFIG_backend_listen_port="+port)
	d.run(environ)
	return d
}

// run starts the tool and stops it, as Ctrl-C would, when the test ends.
func (d *dev) run(environ []string) {
	t := d.t
	t.Helper()
	build := exec.Command("go", "build", "-o", "understudy", ".")
	build.Dir, build.Env = d.dir, environ
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	log := new(plugintest.Log)
	tool := exec.Command("./understudy", "dev", ".", "--", "--config", "app-config.yaml", "--config", "app-config.local.yaml")
	tool.Dir, tool.Env, tool.Stdout, tool.Stderr = d.dir, environ, log, log
	if err := tool.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(tool.Process.Signal(syscall.SIGINT), tool.Wait()); err != nil {
			t.Errorf("the end: %v", err)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", log)
		}
	})
	rest, _, _ := strings.Cut(log.Wait(t, "open http"), " ")
	d.demo = "http" + rest
	d.await("first")
}

// save changes the code, and waits until the new code answers.
func (d *dev) save(name string) {
	d.t.Helper()
	write(d.t, filepath.Join(d.dir, "edition.go"), strings.Replace(edition, "first", name, 1))
	d.await(name)
}

func (d *dev) await(name string) {
	d.t.Helper()
	last := ""
	waitFor(d.t, func() string { return "the " + name + " edition to answer, not the " + last + " one" }, func() bool {
		answer, err := http.Get(d.backend + "/nothing")
		if err != nil {
			d.t.Fatalf("a request on the way to the %s edition: %v", name, err)
		}
		_ = answer.Body.Close()
		last = answer.Header.Get("X-Edition")
		return last == name
	})
}
