// Package appschema knows what may be in the configuration of a whole Backstage app, not only what the plugins of this program read.
// It is for commands that show and check it, and for striking its secrets out of logs.
//
// The schemas of the app come from files: read.go finds and reads them. Without them, package known has the keys of Backstage's own
// packages. Then a key that nobody knows is a mistake if it is like one that is known, and that of another plugin if not: see strict.go.
package appschema

import (
	"slices"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/known"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
)

// ownKey is the section that has no counterpart in Backstage: no other plugin has keys there.
const ownKey = "understudy"

// App is what is known of the configuration of an app.
type App struct {
	own     *schema.Schema // of this program
	all     *schema.Schema // with those of the app
	theirs  *schema.Schema // those of the whole app, or nil
	sources []schema.Source
	keys    *known.Key // what all does not know
}

// New returns what is known with the schemas of this program and those of the app. whole says that the app has no others: then the
// app's alone say what its keys mean, as for backstage-cli, and this program's only add the keys that the app does not have.
func New(own, app []schema.Source, whole bool) (*App, error) {
	a := &App{keys: known.Keys()}
	var err error
	if a.own, err = schema.Compile(own...); err != nil {
		return nil, err
	}
	a.all = a.own
	if len(app) > 0 {
		theirs, err := schema.Compile(app...)
		if err != nil {
			return nil, err
		}
		merged, err := theirs.Merge()
		if err != nil {
			return nil, err
		}
		sources := slices.Clone(app)
		for _, source := range own {
			if source, ok := without(source, merged); ok {
				sources = append(sources, source)
			}
		}
		if a.all, err = schema.Compile(sources...); err != nil {
			return nil, err
		}
		if whole {
			a.keys, a.theirs, a.sources = nil, theirs, sources
			return a, nil
		}
	}
	a.all = a.all.Annotated(func(v any, path string, note func(keyword, path, visibility string)) { a.keys.Annotate(v, path, note) })
	return a, nil
}

// Own returns the schema of this program alone.
func (a *App) Own() *schema.Schema { return a.own }

// Schema returns the schema to filter the configuration by.
func (a *App) Schema() *schema.Schema { return a.all }

// Declared returns the part of a configuration that the schemas of the whole app declare, nil if there are none.
func (a *App) Declared(config *appconfig.Config) *appconfig.Config {
	if a.theirs == nil {
		return nil
	}
	return a.theirs.Scope(config)
}

// Secrets returns the values to strike out of logs.
func (a *App) Secrets(config *appconfig.Config) []string {
	return slices.Concat(a.own.Secrets(config), a.all.SecretsAlone(config))
}
