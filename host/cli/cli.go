// Package cli is the command line of a backend: it serves the plugins of a program, and has backstage-cli's
// commands on their configuration. A whole backend is
//
//	func main() { os.Exit(cli.Main(coder.Plugin(), hello.Plugin())) }
package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/host"
	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/logging"
	"github.com/understudy-host/understudy/plugin"
)

// Main runs a program with the given plugins: Program.Main with nothing else set.
func Main(plugins ...plugin.Plugin) int { return Program{Plugins: plugins}.Main() }

// Program is a backend with a command line.
type Program struct {
	Name       string // "" is the name of the executable
	Plugins    []plugin.Plugin
	Extensions []plugin.Extension
	NotFound   http.Handler // see host.Options
}

// Main runs the program with the arguments and the environment of the process and returns its exit status. An
// error goes to standard error, each line after the program's name. SIGINT and SIGTERM end a running host when its
// requests in flight are answered. A second signal ends the process at once. SIGHUP reloads the configuration, unless
// the process has a controlling terminal.
func (p Program) Main() int {
	p.Name = cmp.Or(p.Name, strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"))
	ctx, stop := untilSignal()
	defer stop()
	root, stderr := p.command(), printable{os.Stderr}
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		p.print(err, stderr)
		return 1
	}
	return 0
}

// print writes an error, each line after the program's name. It gives up after a second: the reader of standard error may
// be stalled.
func (p Program) print(err error, stderr io.Writer) {
	output := logging.NewOutput(stderr, func(int, error) {})
	defer output.Close()
	for line := range strings.Lines(err.Error() + "\n") {
		_, _ = io.WriteString(output, p.Name+": "+line)
	}
}

// printable writes lines without control characters: a file's name or a message may hold some.
type printable struct{ io.Writer }

func (p printable) Write(line []byte) (int, error) {
	_, err := p.Writer.Write(logging.Printable(line, false))
	return len(line), err
}

func (p Program) command() *cobra.Command {
	options := host.Options{
		Plugins: p.Plugins, Extensions: p.Extensions, NotFound: p.NotFound,
		Config: appconfig.Options{Environ: os.Environ()},
	}
	root := &cobra.Command{
		Use:   p.Name,
		Short: "A Backstage-compatible backend plugin host",
		Long: "Serves Backstage backend plugins with the app-config files of a Backstage app.\n" +
			"Without --config it reads app-config.yaml and app-config.local.yaml, and their BACKSTAGE_ENV variants.",
		Version: version(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("unknown command %q, expected none, to serve, or one that %s --help lists", args[0], cmd.Name())
		},
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if options.Config.Targets, err = targets(cmd); err != nil {
				return err
			}
			if options.LogFormat, err = logFormat(cmd); err != nil {
				return err
			}
			options.LogColor = logging.Colored(os.Stdout, os.LookupEnv)
			log := openLog(p.Name)
			defer log.Close()
			options.Log = log
			ctx, release, err := supervised(cmd, &options)
			if err != nil {
				return err
			}
			defer release()
			h := host.New(options)
			defer reloadAtHangup(h.Reload)()
			return h.Run(ctx)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (%s --help lists the flags)", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringArray("config", nil, "config file or URL to load in place of the default files; repeatable")
	root.Flags().String("log-format", "", "json or text; the default is json if NODE_ENV is production, text otherwise")
	root.AddCommand(p.devCommand(options.Config))
	root.AddCommand(p.initCommand(), doctorCommand(options))
	root.AddCommand(configCommands(options.Schemas(), p.Plugins...)...)
	return root
}

// targets returns the values of --config, nil if there are none.
func targets(cmd *cobra.Command) ([]string, error) {
	files, err := cmd.Flags().GetStringArray("config")
	if err == nil && cmd.Flags().Changed("config") && (len(files) == 0 || slices.Contains(files, "")) {
		err = errors.New("--config is empty, expected a file or a URL")
	}
	return files, err
}

// logFormat returns the value of --log-format, "" if it is not given.
func logFormat(cmd *cobra.Command) (string, error) {
	format, err := cmd.Flags().GetString("log-format")
	if err == nil && cmd.Flags().Changed("log-format") && format != "json" && format != "text" {
		err = fmt.Errorf("--log-format is %q, expected json or text", format)
	}
	return format, err
}

// version names the build: the version of the main module, the commit, and the version of Go, as far as known.
func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	parts := []string{cmp.Or(build.Main.Version, "(devel)")}
	for _, setting := range build.Settings {
		if setting.Key == "vcs.revision" {
			parts = append(parts, "commit "+setting.Value)
		}
	}
	return strings.Join(append(parts, build.GoVersion), ", ")
}
