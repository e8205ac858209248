package plugintest

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/plugin"
)

// defaults are the layer below the test's configuration.
const defaults = `
app: {baseUrl: 'http://localhost:3000'}
backend: {baseUrl: 'http://localhost:0', listen: {host: 127.0.0.1, port: 0}}
`

// Host is a host that serves plugins for a test, at URL().
type Host struct {
	*host.Host
	Log *Log

	t    testing.TB
	file string
}

// Open runs a host with the plugins until the test ends. content is its app-config.yaml. app.baseUrl, backend.baseUrl
// and backend.listen have defaults: the host listens on a free port of 127.0.0.1. The environment of the process is
// not used.
func Open(t testing.TB, content string, plugins ...plugin.Plugin) *Host {
	t.Helper()
	return OpenOptions(t, content, host.Options{Plugins: plugins})
}

// OpenOptions is Open for a host with other options. It sets Config.Targets and Log itself.
func OpenOptions(t testing.TB, content string, o host.Options) *Host {
	t.Helper()
	h, err := Start(t, content, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Start is OpenOptions for tests of a start that fails. It returns the log beside an error too.
func Start(t testing.TB, content string, o host.Options) (*Host, error) {
	t.Helper()
	dir := t.TempDir()
	h := &Host{Log: new(Log), t: t, file: filepath.Join(dir, "app-config.yaml")}
	below := filepath.Join(dir, "defaults.yaml")
	h.write(below, defaults)
	h.Write(content)
	o.Config.Targets, o.Log = []string{below, h.file}, h.Log
	h.Host = host.New(o)
	if err := h.Open(t.Context()); err != nil {
		return h, err
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := h.Close(); err != nil {
			t.Errorf("close the host: %v", err)
		}
		if t.Failed() {
			t.Logf("the host's log:\n%s", h.Log)
		}
	})
	return h, nil
}

// Write replaces app-config.yaml. The host notices it and reloads; Log.Wait tells when:
//
//	h.Write("hello: {greeting: Hi}")
//	h.Log.Wait(t, "the changed config is in use")
func (h *Host) Write(content string) {
	h.t.Helper()
	h.write(h.file, content)
}

func (h *Host) write(path, content string) {
	h.t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
}
