package cli

import (
	"net"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts of this folder start the host. occupy takes a free port and puts its number into a variable.
func TestStartScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/start",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"occupy": func(ts *testscript.TestScript, _ bool, args []string) {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Defer(func() { _ = listener.Close() })
				ts.Setenv(args[0], strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
			},
		},
	})
}
