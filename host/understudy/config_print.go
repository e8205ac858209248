package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
)

func configPrint(sources []schema.Source) *cobra.Command {
	var o configOptions
	var withSecrets bool
	var format outputFormat
	cmd := &cobra.Command{
		Use:   "config:print",
		Short: "Print the app configuration",
		Long: "Print the configuration with all layers merged. Values that a schema calls secret are printed as <secret>.\n" +
			"With --package, what that package sees: the keys that its schema declares.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.frontend && withSecrets {
				return errors.New("Not allowed to combine frontend and secret config")
			}
			config, err := o.load(cmd, sources)
			if err != nil {
				return err
			}
			if o.pkg != "" {
				config.Config = config.schema.Scope(config.Config)
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
	cmd.Flags().Var(&format, "format", "output format (yaml or json)")
	return cmd
}

// visible returns the configuration as it may be shown: what is for the frontend, or all of it with secrets
// masked.
func (c *loadedConfig) visible(frontend bool) (*appconfig.Config, error) {
	o := schema.Options{Visibility: []string{"frontend"}}
	if !frontend {
		o = schema.Options{Transform: func(value any, visibility, _ string) any {
			if visibility == "secret" {
				return "<secret>"
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
