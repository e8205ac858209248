package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
)

// configPrint returns the command that prints the merged configuration.
func configPrint(sources []schema.Source) *cobra.Command {
	var o configOptions
	var withSecrets, origin bool
	var format outputFormat
	cmd := &cobra.Command{
		Use:   "config:print",
		Short: "Print the app configuration",
		Long: "Print the configuration with all layers merged. Values that a schema calls secret are printed as <secret>.\n" +
			"With --package, what that package sees: the keys that its schema declares. With --origin, each value by its\n" +
			"full key with the file and line, the URL or the variable that it came from.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := o.load(cmd, sources)
			if err != nil {
				return err
			}
			if o.frontend && withSecrets {
				return errors.New("Not allowed to combine frontend and secret config")
			}
			if o.pkg != "" {
				config.Config = config.schema.Scope(config.Config)
			}
			if origin {
				list, err := config.located(o.frontend, withSecrets)
				if err != nil {
					return err
				}
				return format.writeLocated(cmd.OutOrStdout(), list)
			}
			visible := config.Config
			if !withSecrets {
				if visible, err = config.visible(o.frontend); err != nil {
					return err
				}
			}
			data, err := visible.Get("")
			if err != nil {
				return err
			}
			return format.write(cmd.OutOrStdout(), data)
		},
	}
	o.packageFlag(cmd, "print what this package sees")
	cmd.Flags().BoolVar(&o.lax, "lax", false, "do not require environment variables to be set")
	cmd.Flags().BoolVar(&o.frontend, "frontend", false, "only print frontend config")
	cmd.Flags().BoolVar(&withSecrets, "with-secrets", false, "include secrets in the output")
	cmd.Flags().BoolVar(&origin, "origin", false, "tell where each value came from")
	cmd.Flags().Var(&format, "format", "output format (yaml or json)")
	return cmd
}

// masked is printed for a secret.
const masked = "<secret>"

// visible returns the configuration as it may be shown: what is for the frontend, or all of it with secrets
// masked.
func (c *loadedConfig) visible(frontend bool) (*appconfig.Config, error) {
	o := schema.Options{Visibility: []string{"frontend"}}
	if !frontend {
		o = schema.Options{Transform: func(value any, visibility, _ string) any {
			if visibility == "secret" {
				return masked
			}
			return value
		}}
	}
	filtered, err := c.schema.Process(c.Config, o)
	if err != nil {
		return nil, err
	}
	var layers []appconfig.Layer
	for _, layer := range filtered {
		layers = append(layers, layer.Layer)
	}
	return appconfig.New(layers...), nil
}

// located lists the values that may be shown, with their origins.
func (c *loadedConfig) located(frontend, withSecrets bool) ([]appconfig.Located, error) {
	all, err := c.Located()
	if err != nil {
		return nil, err
	}
	// A key is as secret as the most secret value that any layer has under it.
	visibilities := map[string]string{}
	note := func(value any, visibility, key string) any {
		if visibility == "secret" || visibilities[key] == "" {
			visibilities[key] = visibility
		}
		return value
	}
	o := schema.Options{Transform: note, IgnoreErrors: withSecrets}
	if frontend {
		o.Visibility = []string{"frontend"}
	}
	if _, err := c.schema.Process(c.Config, o); err != nil {
		return nil, err
	}
	var list []appconfig.Located
	for _, value := range all {
		switch visibility := visibilities[value.Key]; {
		case frontend && visibility != "frontend":
			continue
		case visibility == "secret" && !withSecrets:
			value.Value = masked
		}
		list = append(list, value)
	}
	return list, nil
}
