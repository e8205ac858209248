package cli

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/secret"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// configPrint returns the command that prints the merged configuration.
func configPrint(sources []schema.Source) *cobra.Command {
	var o configOptions
	var withSecrets, origin bool
	var format outputFormat
	cmd := o.command(sources, &cobra.Command{
		Use:   "config:print",
		Short: "Print the app configuration",
		Long: "Print the configuration with all layers merged. Values that a schema calls secret, and others that look\n" +
			"secret by their key or form, are printed as <secret>. With --package, what that package sees: the keys that its\n" +
			"schema declares. With --origin, each value by its full key with the file and line, the URL or the variable that it came from.",
	}, func(cmd *cobra.Command, config *loadedConfig) error {
		if o.frontend && withSecrets {
			return errors.New("Not allowed to combine frontend and secret config")
		}
		if o.pkg != "" {
			config.Config = config.app.Schema().Scope(config.Config)
		}
		visible, visibilities, err := config.visible(o.frontend, withSecrets)
		if err != nil {
			return err
		}
		if origin {
			list, err := config.located(visibilities, o.frontend, withSecrets)
			if err != nil {
				return err
			}
			return format.writeLocated(cmd.OutOrStdout(), list)
		}
		if withSecrets {
			visible = config.Config
		}
		data, err := visible.Get("")
		if err != nil {
			return err
		}
		return format.write(cmd.OutOrStdout(), data, nil)
	})
	o.schemaFlag(cmd)
	cmd.Flags().BoolVar(&o.lax, "lax", false, "do not require environment variables to be set")
	cmd.Flags().BoolVar(&o.frontend, "frontend", false, "only print frontend config")
	cmd.Flags().BoolVar(&withSecrets, "with-secrets", false, "include secrets in the output")
	cmd.Flags().BoolVar(&origin, "origin", false, "tell where each value came from")
	cmd.Flags().Var(&format, "format", "output format (yaml or json)")
	return cmd
}

// masked is printed for a secret.
const masked = "<secret>"

// visible returns what may be shown of the configuration: the part for the frontend, or all of it, with secrets
// masked except if they are wanted. It also returns the visibility of each shown value by its key.
func (c *loadedConfig) visible(frontend, withSecrets bool) (*appconfig.Config, map[string]string, error) {
	visibilities := map[string]string{}
	o := schema.Options{IgnoreErrors: withSecrets, Transform: func(value any, visibility, key string) any {
		// A key is as secret as the most secret value that any layer has under it.
		if visibility == "secret" || visibilities[key] == "" {
			visibilities[key] = visibility
		}
		if visibility == "secret" && !withSecrets {
			return masked
		}
		return value
	}}
	if frontend {
		o.Visibility = []string{"frontend"}
	}
	filtered, err := c.app.Schema().Process(c.Config, o)
	if err != nil {
		return nil, nil, err
	}
	var layers []appconfig.Layer
	for _, layer := range filtered {
		layers = append(layers, layer.Layer)
	}
	return c.maskLooks(appconfig.New(layers...)), visibilities, nil
}

// maskLooks masks the values that look secret by their key or their form. What schemas of the whole app declare is judged by its form
// alone: they say whether a key is secret.
func (c *loadedConfig) maskLooks(config *appconfig.Config) *appconfig.Config {
	layers := slices.Clone(config.Layers())
	declared := c.app.Declared(config)
	for i := range layers {
		data, _ := secret.Mask(layers[i].Data, masked).(*value.Object)
		if declared != nil {
			data = over(declared.Layers()[i].Data, data)
		}
		layers[i].Data = data
	}
	return appconfig.New(layers...)
}

// located lists the values that may be shown, with their origins. visibilities is the result of visible.
func (c *loadedConfig) located(visibilities map[string]string, frontend, withSecrets bool) ([]appconfig.Located, error) {
	config := c.Config
	if !withSecrets {
		config = c.maskLooks(config)
	}
	all, err := config.Located()
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
	return list, err
}

// over returns what is masked in an object, with the values of another one in place of some: of those that only their key says to be secret.
func over(declared, all *value.Object) *value.Object {
	out := value.NewObject(all.Len())
	for key, v := range all.All() {
		if own, ok := declared.Get(key); ok {
			v = byForm(own, v)
		}
		out.SetAt(key, v, all.Position(key))
	}
	return out
}

// byForm returns a declared value without what has the form of a secret. around is the same value, with all that is in it, masked.
func byForm(v, around any) any {
	switch v := v.(type) {
	case string:
		if secret.Looks(v) {
			return masked
		}
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = item
			if others, ok := around.([]any); ok {
				items[i] = byForm(item, others[i])
			}
		}
		return items
	case *value.Object:
		if all, ok := around.(*value.Object); ok {
			return over(v, all)
		}
	}
	return v
}
