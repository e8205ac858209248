package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/pkg/appconfig"
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
	pkg                               string
	lax, frontend, strict, deprecated bool
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
	schema *schema.Schema
}

// load loads the configuration and checks it as far as the options want: backstage-cli's loadCliConfig. It
// says on standard error which layers there are and, if asked, which of their keys are deprecated.
func (o *configOptions) load(cmd *cobra.Command, sources []schema.Source) (*loadedConfig, error) {
	compiled, err := o.compile(sources)
	if err != nil {
		return nil, err
	}
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
	process := schema.Options{Visibility: schema.Visibilities(), WithDeprecatedKeys: o.deprecated, IgnoreErrors: !o.strict}
	if o.frontend {
		process.Visibility = []string{"frontend"}
	}
	layers, err := compiled.Process(config, process)
	if invalid, ok := errors.AsType[*schema.ValidationError](err); ok {
		return nil, errors.New("Configuration does not match schema\n\n  " + strings.Join(invalid.Messages, "\n  "))
	} else if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		for _, key := range layer.DeprecatedKeys {
			fmt.Fprintf(cmd.ErrOrStderr(), "The configuration key '%s' of %s is deprecated and may be removed soon. %s\n",
				key.Key, layer.Name, key.Description)
		}
	}
	return &loadedConfig{config, compiled}, nil
}

// compile compiles the schemas, or that of one package.
func (o *configOptions) compile(sources []schema.Source) (*schema.Schema, error) {
	if o.pkg != "" {
		var names []string
		for _, source := range sources {
			names = append(names, source.PackageName)
		}
		i := slices.Index(names, o.pkg)
		if i < 0 {
			return nil, fmt.Errorf("no package %q has a schema, expected one of %s", o.pkg, strings.Join(names, ", "))
		}
		sources = sources[i : i+1]
	}
	if o.strict {
		return schema.CompileStrict(sources...)
	}
	return schema.Compile(sources...)
}

// configCheck returns the command that only loads the configuration.
func configCheck(sources []schema.Source, plugins []plugin.Plugin) *cobra.Command {
	var o configOptions
	cmd := o.command(sources, &cobra.Command{
		Use:   "config:check",
		Short: "Validate that the given configuration loads and matches schema",
		Long: "Validate that the given configuration loads and, with --strict, that it matches the schemas of the host\n" +
			"and its plugins and has no keys that they do not declare. Variables that are not set are named, with the\n" +
			"keys that are missing because of them.",
	}, func(cmd *cobra.Command, config *loadedConfig) error {
		for _, variable := range config.Unset() {
			fmt.Fprintf(cmd.ErrOrStderr(), "The environment variable '%s' is not set, which leaves out '%s'\n",
				variable.Name, strings.Join(variable.Keys, "', '"))
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
	cmd.Flags().BoolVar(&o.strict, "strict", false, "enable strict validation")
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
		if !merge {
			return format.write(cmd.OutOrStdout(), config.schema.Serialize(), nil)
		}
		merged, err := config.schema.Merge()
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
	cmd.Flags().BoolVar(&o.strict, "strict", false, "require what the frontend sees to match the schema")
	return cmd
}
