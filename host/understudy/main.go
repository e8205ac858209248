// Command understudy runs the host with its plugins. It is the counterpart of a Backstage app's
// packages/backend/src/index.ts: it lists the plugins and runs the backend.
package main

import (
	"net/http"
	"os"

	"github.com/understudy-host/understudy/host/cli"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
	"github.com/understudy-host/understudy/plugin/coder/sandbox"
	"github.com/understudy-host/understudy/plugin/proxy"
)

func main() {
	os.Exit(cli.Program{
		Plugins:    []plugin.Plugin{coder.Plugin(), proxy.Plugin()},
		Extensions: []plugin.Extension{sandbox.Extension()},
		NotFound:   http.HandlerFunc(coder.NotFound),
	}.Main())
}
