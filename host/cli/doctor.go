package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/host/doctor"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
)

// doctorCommand returns the command that looks at everything around the backend.
func doctorCommand(options host.Options) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look for what makes sign-ins fail: servers, certificates, clocks, client and secret, CORS, cookies",
		Long: "Asks the configured servers what anybody may ask, and says for each thing whether it is right, what is wrong, and what to\n" +
			"do. The client secret goes to Coder's token endpoint and nowhere else, with a code that does not exist. Nothing is left\n" +
			"behind. Run it where browsers' requests would come from, while the host runs. The exit status is 1 if anything is wrong.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if options.Config.Targets, err = targets(cmd); err != nil {
				return err
			}
			config, err := appconfig.Load(cmd.Context(), options.Config)
			if err != nil {
				return err
			}
			wrong := 0
			err = doctor.Run(cmd.Context(), options, config, func(f plugin.Finding) {
				if f.Result == plugin.Wrong {
					wrong++
				}
				const indent = "\n          "
				fmt.Fprintf(cmd.OutOrStdout(), "%-8s  %s: %s\n", f.Result, f.Of, strings.ReplaceAll(f.Text, "\n", indent))
			})
			if err == nil && wrong > 0 {
				err = errors.New(map[bool]string{true: "one thing is wrong", false: fmt.Sprintf("%d things are wrong", wrong)}[wrong == 1])
			}
			return err
		},
	}
}
