package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/appschema"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/plugin"
)

// configCommands returns backstage-cli's commands on the configuration. They load it as the host does, and
// know the schemas of the host and its plugins.
func configCommands(sources []schema.Source, plugins ...plugin.Plugin) []*cobra.Command {
	return []*cobra.Command{configPrint(sources), configCheck(sources, plugins), configSchema(sources)}
}

// configOptions are flags that the commands share.
type configOptions struct {
	pkg, strict               string
	schemas                   []string // files
	lax, frontend, deprecated bool
}

// command completes a command that works on the configuration, and adds the flags that all have. A package of a
// Backstage workspace stands for itself and what it depends on; here it is a plugin by its ID, or "host".
func (o *configOptions) command(sources []schema.Source, cmd *cobra.Command,
	run func(*cobra.Command, *loadedConfig) error,
) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := o.load(cmd, sources)
		if err != nil {
			return err
		}
		return run(cmd, config)
	}
	cmd.Flags().StringVar(&o.pkg, "package", "", "use the schema of this package alone: a plugin by its ID, or host")
	return cmd
}

// loadedConfig is what a command works on.
type loadedConfig struct {
	*appconfig.Config
	app *appschema.App
}

// load loads the configuration and checks it as far as the options want: backstage-cli's loadCliConfig. It
// says on standard error which layers there are and, if asked, which of their keys are deprecated.
func (o *configOptions) load(cmd *cobra.Command, sources []schema.Source) (*loadedConfig, error) {
	files, err := targets(cmd)
	if err != nil {
		return nil, err
	}
	config, err := appconfig.Load(cmd.Context(), appconfig.Options{
		Targets: files, Environ: os.Environ(), AllowMissingDefault: true, Lax: o.lax,
	})
	if _, nothing := errors.AsType[*appconfig.MissingError](err); nothing {
		config = appconfig.New() // unlike the host, these commands do not need a configuration
	} else if err != nil {
		return nil, err
	}
	var names []string
	for _, layer := range config.Layers() {
		names = append(names, layer.Name)
	}
	message := "No configuration files found, running without config"
	if len(names) > 0 {
		message = "Loaded config from " + strings.Join(names, ", ")
	}
	fmt.Fprintln(cmd.ErrOrStderr(), message)
	app, err := o.app(cmd.Context(), sources, config)
	if app == nil {
		return nil, err
	} else if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), err)
	}
	if err := o.check(cmd, app, config); err != nil {
		return nil, err
	}
	process := schema.Options{Visibility: schema.Visibilities(), WithDeprecatedKeys: o.deprecated, IgnoreErrors: true}
	if o.frontend {
		process.Visibility = []string{"frontend"}
	}
	layers, err := app.Schema().Process(config, process)
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		for _, key := range layer.DeprecatedKeys {
			fmt.Fprintf(cmd.ErrOrStderr(), "The configuration key '%s' of %s is deprecated and may be removed soon. %s\n",
				key.Key, layer.Name, key.Description)
		}
	}
	return &loadedConfig{config, app}, nil
}

// app returns what is known of the app's configuration. A package knows its own keys alone.
func (o *configOptions) app(ctx context.Context, sources []schema.Source, config *appconfig.Config) (*appschema.App, error) {
	if o.pkg != "" {
		var names []string
		for _, source := range sources {
			names = append(names, source.PackageName)
		}
		i := slices.Index(names, o.pkg)
		if i < 0 {
			return nil, fmt.Errorf("no package %q has a schema, expected one of %s", o.pkg, strings.Join(names, ", "))
		}
		return appschema.New(sources[i:i+1], sources[i:i+1], true)
	}
	root, err := appconfig.RootDir(ctx)
	if err != nil {
		return nil, err
	}
	return appschema.Load(sources, o.schemas, config, root)
}

// check does what --strict asks for.
func (o *configOptions) check(cmd *cobra.Command, app *appschema.App, config *appconfig.Config) error {
	switch o.strict {
	case "", "false":
		return nil
	case "true", "all":
	default:
		return fmt.Errorf("--strict is %q, expected no value, or all to refuse keys of other plugins too", o.strict)
	}
	wrong, others, err := app.Strict(config, o.frontend)
	if err != nil {
		return err
	}
	if len(others) > 0 && o.strict == "all" {
		for _, key := range others {
			wrong = append(wrong, "Config key '"+key+"' is not known: no schema here declares it")
		}
	} else if len(others) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "No schema here knows '%s': of other plugins, it seems (--strict=all refuses them, --schema adds schemas)\n",
			strings.Join(others, "', '"))
	}
	if len(wrong) > 0 {
		return errors.New("Configuration does not match schema\n\n  " + strings.Join(wrong, "\n  "))
	}
	return nil
}

// schemaFlag adds --schema to a command.
func (o *configOptions) schemaFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.schemas, "schema", nil,
		"file with schemas of the app: what backstage-cli config:schema --format json prints, or a built app's .config-schema.json; repeatable")
}

// strictFlag adds --strict to a command. Without a value it is "true".
func (o *configOptions) strictFlag(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&o.strict, "strict", "", usage)
	cmd.Flags().Lookup("strict").NoOptDefVal = "true"
}

// configCheck returns the command that only loads the configuration.
func configCheck(sources []schema.Source, plugins []plugin.Plugin) *cobra.Command {
	var o configOptions
	cmd := o.command(sources, &cobra.Command{
		Use:   "config:check",
		Short: "Validate that the given configuration loads and matches schema",
		Long: "Validate that the given configuration loads and, with --strict, that it matches the schemas of the host\n" +
			"and its plugins and has no mistyped keys. With the schemas of the app (--schema, understudy.schema, or a built app\n" +
			"in the repository) it is checked against these too. Keys of other plugins are named, and refused with --strict=all.\n" +
			"Variables that are not set are named, with the keys that are missing because of them.",
	}, func(cmd *cobra.Command, config *loadedConfig) error {
		for _, unset := range config.Unset() {
			subject := "The environment variable '%s' is not set, which leaves out"
			if len(unset.Names) > 1 {
				subject = "The environment variables '%s' are not set, which leaves out"
			}
			text := fmt.Sprintf(subject+" '%s'", strings.Join(unset.Names, "', '"), strings.Join(unset.Keys, "', '"))
			if unset.Hint != "" {
				text += ": " + unset.Hint
			}
			fmt.Fprintln(cmd.ErrOrStderr(), text)
		}
		for _, p := range plugins {
			if p.Advise == nil {
				continue
			}
			for _, warning := range p.Advise(config.Config) {
				fmt.Fprintln(cmd.ErrOrStderr(), p.ID+": "+warning)
			}
		}
		return nil
	})
	cmd.Flags().BoolVar(&o.lax, "lax", false, "do not require environment variables to be set")
	cmd.Flags().BoolVar(&o.frontend, "frontend", false, "only validate frontend config")
	cmd.Flags().BoolVar(&o.deprecated, "deprecated", false, "output deprecated keys")
	o.schemaFlag(cmd)
	o.strictFlag(cmd, "enable strict validation; --strict=all refuses keys of other plugins too")
	return cmd
}

// configSchema returns the command that prints schemas. It loads the configuration as well, for the frontend, as
// backstage-cli does.
func configSchema(sources []schema.Source) *cobra.Command {
	o := configOptions{lax: true, frontend: true}
	var merge bool
	var format outputFormat
	cmd := o.command(sources, &cobra.Command{
		Use:   "config:schema",
		Short: "Print the JSON schema for the given configuration",
	}, func(cmd *cobra.Command, config *loadedConfig) error {
		own := config.app.Own()
		if !merge {
			return format.write(cmd.OutOrStdout(), own.Serialize(), nil)
		}
		merged, err := own.Merge()
		if err != nil {
			return err
		}
		if object, ok := merged.(*value.Object); ok {
			object.Set("title", "Application Configuration Schema")
			object.Set("description",
				"This is the schema describing the structure of the app-config.yaml configuration file.")
		}
		return format.write(cmd.OutOrStdout(), merged, nil)
	})
	cmd.Flags().Var(&format, "format", "output format (yaml or json)")
	cmd.Flags().BoolVar(&merge, "merge", false, "merge all schemas into a single schema")
	o.strictFlag(cmd, "require what the frontend sees to match the schema")
	return cmd
}
