package appconfig

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/pkg/js"
)

// Limits on what a layer includes; what exceeds them is refused with an error.
const (
	maxIncludes = 1000
	maxIncluded = 16 << 20 // bytes
)

// Options say where a configuration is loaded from. The zero value loads the default files of the project,
// without any environment.
type Options struct {
	RootDir string   // where default files are looked for; "" is the project's root, as Backstage finds it
	Dir     string   // what relative --config paths start from; "" is the working directory
	Args    []string // the command line; --config is taken from it as Backstage does
	Targets []string // files and URLs to load in place of the default files
	Environ []string // NAME=value in order, as os.Environ gives it

	AllowMissingDefault bool // do without app-config.yaml
	Lax                 bool // take "x" for variables that are not set, as backstage-cli config:check --lax does
	LocalOnly           bool // refuse URLs, as Backstage does unless its remote option is set

	Providers []Provider    // further layers, between the files and the environment
	Client    *http.Client  // for remote documents; nil is http.DefaultClient
	Poll      time.Duration // how often Watch reads remote documents again; 0 is a minute, as in Backstage
}

// Load reads all sources: the files that --config names or else the default files, then the APP_CONFIG_
// variables.
func Load(ctx context.Context, o Options) (*Config, error) {
	l, err := newLoader(o)
	if err != nil {
		return nil, err
	}
	config, _, err := l.load(ctx)
	return config, err
}

type loader struct {
	options Options
	environ *environ
	targets []target
	remote  func(ctx context.Context, u *url.URL) ([]byte, error)
	once    map[string]Layer // of pipes, by path: they cannot be read again
}

func newLoader(o Options) (*loader, error) {
	l := &loader{options: o, environ: newEnviron(o.Environ)}
	l.remote = l.fetch
	l.environ.lax = o.Lax
	args, err := configArgs(o.Args)
	if err != nil {
		return nil, err
	}
	args = append(args, o.Targets...)
	for _, arg := range args {
		if u := parseURL(arg); u != nil {
			if o.LocalOnly {
				return nil, textError(`Config argument "` + arg + `" looks like a URL but remote configuration is ` +
					"not enabled. Enable it by passing the `remote` option")
			}
			l.targets = append(l.targets, target{url: u})
			continue
		}
		path, err := absolute(o.Dir, arg)
		if err != nil {
			return nil, err
		}
		l.targets = append(l.targets, target{path: path})
	}
	return l, nil
}

// load reads all sources at once. Where several fail the lowest one's error is returned.
func (l *loader) load(ctx context.Context) (*Config, *files, error) {
	files := &files{seen: map[string]fs.FileInfo{}}
	targets, err := l.sources(files)
	if err != nil {
		return nil, files, err
	}
	env, err := l.environ.config()
	if err != nil {
		return nil, files, err // before any problem with a file, as in Backstage
	}
	layers, errs := make([]Layer, len(targets)), make([]error, len(targets))
	var group sync.WaitGroup
	for i, t := range targets {
		group.Go(func() {
			if layer, ok := l.once[t.path]; ok {
				layers[i] = layer
			} else if t.url != nil {
				layers[i], errs[i] = l.loadURL(ctx, t.url)
			} else {
				layers[i], errs[i] = l.loadFile(t.path, files)
			}
		})
	}
	group.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, files, errs[i]
	}
	layers = slices.DeleteFunc(layers, func(layer Layer) bool { return layer.Data == nil })
	for _, p := range l.options.Providers {
		layer, err := p.layer()
		if err != nil {
			return nil, files, &LoadError{p.Name, err, true}
		}
		layers = append(layers, layer)
	}
	if env != nil {
		layers = append(layers, Layer{Name: "env", Data: env})
	}
	if len(layers) == 0 {
		return nil, files, &MissingError{"", noLayer} // as ConfigSources.toConfig does
	}
	return New(layers...), files, nil
}

// loadLayer reads, parses and transforms a document. An empty file is no layer at all: it has no data.
func loadLayer(name, path string, t *transformer, read func() ([]byte, error)) (layer Layer, err error) {
	remote := t.readFile == nil
	layer = Layer{Name: name, Path: path}
	layer.Data, err = load(read, func(text []byte) (object *value.Object, err error) {
		root, pos, err := yaml.Read(js.DecodeUTF8(text), &value.Source{Path: path})
		if err != nil || root == nil && !remote {
			return nil, err
		}
		if root == nil {
			err = errors.New("configuration data is null")
		} else {
			object, err = t.document(root, pos, scope{filepath.Dir(path), &include{path: path}})
		}
		if err != nil {
			err = &LoadError{path, err, remote}
		}
		return object, err
	})
	layer.unset = t.unset
	return layer, err
}
