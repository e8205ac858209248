// Command measured is the backend that is measured.
package main

import (
	"net"
	"net/http"
	"os"

	"github.com/understudy-host/understudy/host/cli"
	"github.com/understudy-host/understudy/plugin/coder"

	"example.com/measured/answer"
)

func main() {
	// The parent has no routes, so it tells its numbers on a socket of its own.
	if path := os.Getenv("MEASURED_PARENT"); path != "" && len(os.Args) > 1 && os.Args[1] == "dev" {
		listener, err := net.Listen("unix", path)
		if err != nil {
			panic(err)
		}
		go func() { _ = http.Serve(listener, http.HandlerFunc(answer.Numbers)) }()
	}
	os.Exit(cli.Main(coder.Plugin(), answer.Plugin()))
}
