// Command understudy runs the host with its plugins. It is the counterpart of a Backstage app's
// packages/backend/src/index.ts: it lists the plugins and runs the backend.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/plugin"
	"github.com/understudy-host/understudy/plugin/coder"
)

func plugins() []plugin.Plugin {
	return []plugin.Plugin{
		coder.Plugin(),
	}
}

func main() { os.Exit(run(os.Args[1:])) }

// run is main without the exit, for tests.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := command()
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(os.Stderr, "understudy: "+strings.TrimRight(line, "\n"))
		}
		return 1
	}
	return 0
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "understudy",
		Short: "A Backstage-compatible backend plugin host",
		Long: "Understudy serves Backstage backend plugins with the app-config files of a Backstage app.\n" +
			"Without --config it reads app-config.yaml and app-config.local.yaml, and their BACKSTAGE_ENV variants.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("unknown command %q, expected none, to serve, or one that %s --help lists", args[0], cmd.Name())
		},
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := cmd.Flags().GetStringArray("config")
			if err != nil {
				return err
			}
			h := host.New(host.Options{Args: configArgs(files), Environ: os.Environ()})
			for _, p := range plugins() {
				h.Add(p)
			}
			return h.Run(cmd.Context())
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringArray("config", nil, "config file or URL to load in place of the default files; repeatable")
	root.AddCommand(configCommands(host.Schemas(plugins()...))...)
	return root
}

// configArgs gives the loader the --config flags as it expects them on a command line.
func configArgs(files []string) []string {
	var args []string
	for _, file := range files {
		args = append(args, "--config", file)
	}
	return args
}
