package cli

import (
	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/host/adopt"
)

// initCommand returns the command that prepares a Backstage app for this backend.
func (p Program) initCommand() *cobra.Command {
	var way string
	cmd := &cobra.Command{
		Use:   "init [folder]",
		Short: "Prepare a Backstage app: write the few keys that standing in for its Node backend needs",
		Long: "Finds the config layers that the app's Node backend is started with, says which way of standing in fits, writes the few\n" +
			"keys needed into " + adopt.LayerName + ", and says what is left to do. It changes no file that it has not made.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return adopt.Run(cmd.Context(), adopt.Options{Name: p.Name, Dir: dir, Way: way, Plugins: p.Plugins, Out: cmd.OutOrStdout()})
		},
	}
	cmd.Flags().StringVar(&way, "way", "", "front, beside or discovery, in place of the one that fits (docs/migrating.md)")
	return cmd
}
