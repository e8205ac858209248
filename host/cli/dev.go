package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/host/dev"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/logging"
)

// devCommand returns the command that reloads the program's code while it serves.
func (p Program) devCommand(config appconfig.Options) *cobra.Command {
	o := dev.Options{Name: p.Name, Package: ".", In: os.Stdin, Out: os.Stdout}
	cmd := &cobra.Command{
		Use:   "dev [package] [-- arguments]",
		Short: "Run a backend from its source, and reload its code at each save without losing a request",
		Long: "Builds the main package (. if none is named), serves it, and builds it again when a file of it changes. The old program\n" +
			"serves until the new one is ready, and goes on serving if it does not build or start. The arguments after -- are the\n" +
			"program's, such as --config. docs/reloading.md has the details.",
		Example: "  " + p.Name + " dev ./cmd/mybackend -- --config app-config.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n > 1 || n < 0 && len(args) > 1 {
				return errors.New("expected one package, and the program's arguments after --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			own, err := targets(cmd)
			if err != nil {
				return err
			}
			n := cmd.ArgsLenAtDash()
			if n < 0 {
				n = len(args)
			}
			if n == 1 {
				o.Package = args[0]
			}
			for _, file := range own { // dev --config is taken as the program's
				o.Args = append(o.Args, "--config", file)
			}
			o.Args = append(o.Args, args[n:]...)
			if config.Targets, err = appconfig.TargetsFromArgs(o.Args); err != nil {
				return err
			}
			o.Config, o.Color = config, logging.Colored(os.Stdout, os.LookupEnv)
			return dev.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().DurationVar(&o.Grace, "grace", dev.DefaultGrace, "how long the old program may finish its requests")
	return cmd
}
