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
	"github.com/understudy-host/understudy/pkg/httpclient"
	"github.com/understudy-host/understudy/pkg/js"
)

// Limits on a layer with its includes. Anything larger is an error.
const (
	maxValues   = 1_000_000
	maxIncludes = 1000
	maxIncluded = 16 << 20 // bytes
)

// Options say where a configuration is loaded from. The zero value loads the default files of the project,
// without any environment.
type Options struct {
	RootDir string   // where default files are looked for; "" is the project's root, as Backstage finds it
	Dir     string   // the base of relative targets; "" is the working directory
	Targets []string // paths and URLs, lowest first; none for the default files
	Environ []string // NAME=value in order, as os.Environ gives it

	AllowMissingDefault bool // app-config.yaml is optional
	Lax                 bool // variables that are not set or empty are "x", as in backstage-cli config:check --lax
	LocalOnly           bool // refuse URLs, as Backstage does unless its remote option is set

	Providers []Provider    // further layers, between the files and the environment
	Client    *http.Client  // for remote documents; nil is one with the transport of pkg/httpclient
	Poll      time.Duration // how often Watch reads remote documents again; 0 is a minute, as in Backstage

	Reload <-chan struct{} // each value makes Watch read everything again; nil for none
}

// Load reads all sources: the targets or the default files, then the providers and the APP_CONFIG_ variables. It
// returns when ctx ends, even if a source blocks.
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
	client  *http.Client
	warning error // why NODE_EXTRA_CA_CERTS is ignored
	remote  func(ctx context.Context, u *url.URL) ([]byte, error)
	once    map[string]Layer // layers of pipes, which cannot be read again, by path
	reads   reads
}

func newLoader(o Options) (*loader, error) {
	l := &loader{options: o, environ: newEnviron(o.Environ), client: o.Client}
	l.remote = l.fetch
	l.environ.lax = o.Lax
	for _, name := range o.Targets {
		t, err := o.target(name)
		if err != nil {
			return nil, err
		}
		l.targets = append(l.targets, t)
		if t.url != nil && l.client == nil {
			var transport *httpclient.Transport
			transport, l.warning = httpclient.New(httpclient.Options{})
			l.client = &http.Client{Transport: transport}
		}
	}
	return l, nil
}

// load reads all sources in parallel. If several fail, it returns the error of the lowest one.
func (l *loader) load(ctx context.Context) (*Config, *files, error) {
	files := &files{seen: map[string]fs.FileInfo{}}
	targets, err := within(ctx, &l.reads, func() ([]target, error) { return l.sources(ctx, files) })
	if err != nil {
		return nil, files, err
	}
	env, err := l.environ.config()
	if err != nil {
		return nil, files, err // before any problem with a file, as in Backstage
	}
	var sources []source
	for _, t := range targets {
		sources = append(sources, source{t.String(), t.url != nil, func() (Layer, error) {
			if layer, ok := l.once[t.path]; ok {
				return layer, nil
			}
			if t.url != nil {
				return l.loadURL(ctx, t.url)
			}
			return l.loadFile(ctx, t.path, files)
		}})
	}
	for _, p := range l.options.Providers {
		sources = append(sources, source{p.Name, true, p.load})
	}
	layers, err := l.loadAll(ctx, sources)
	if err != nil {
		return nil, files, err
	}
	if env != nil {
		layers = append(layers, Layer{Name: "env", Data: env})
	}
	if len(layers) == 0 {
		return nil, files, &MissingError{"", noLayer} // as ConfigSources.toConfig does
	}
	return New(layers...), files, nil
}

// source is one of the sources of a load.
type source struct {
	name   string // in errors
	remote bool   // it is no file
	load   func() (Layer, error)
}

// loadAll returns the layers of all sources that have data. When ctx ends, it returns at once, and names a source that
// is still being read. That read ends later, and its result is dropped.
func (l *loader) loadAll(ctx context.Context, sources []source) ([]Layer, error) {
	layers, errs := make([]Layer, len(sources)), make([]error, len(sources))
	var group sync.WaitGroup
	for i, s := range sources {
		group.Go(func() {
			layers[i], errs[i] = within(ctx, &l.reads, s.load)
			if errs[i] != nil && ctx.Err() != nil {
				errs[i] = &LoadError{s.name, context.Cause(ctx), s.remote}
			}
		})
	}
	group.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, errs[i]
	}
	return slices.DeleteFunc(layers, func(layer Layer) bool { return layer.Data == nil }), nil
}

// loadFile loads a local file with its includes, and records them in files. An empty file is no layer. The file may be a
// pipe at the start, but includes may not, nor a file that becomes one: a reload would wait for somebody to write to it.
func (l *loader) loadFile(ctx context.Context, path string, files *files) (Layer, error) {
	stream := streamLimit
	if l.once != nil {
		stream = 0
	}
	text, err := files.read(ctx, path, `Config file "%s" does not exist`, stream)
	if err != nil {
		return Layer{}, err
	}
	return loadDocument(filepath.Base(path), path, text, &transformer{environ: l.environ, readFile: func(path string) (string, error) {
		text, err := files.read(ctx, path, `failed to include "%s", file does not exist`, 0)
		return js.DecodeUTF8(text), err
	}})
}

// loadURL loads a remote document. Nothing can be included into it, as in Backstage.
func (l *loader) loadURL(ctx context.Context, u *url.URL) (Layer, error) {
	name := displayURL(u)
	text, err := l.remote(ctx, u)
	if err != nil {
		return Layer{}, err
	}
	layer, err := loadDocument(name, name, text, &transformer{environ: l.environ})
	if err == nil && layer.Data == nil {
		err = &LoadError{name, errors.New("configuration data is null"), true}
	}
	return layer, err
}

// loadDocument parses and transforms a document. An empty one has no data.
func loadDocument(name, path string, text []byte, t *transformer) (Layer, error) {
	layer := Layer{Name: name, Path: path}
	root, pos, err := yaml.Read(js.DecodeUTF8(text), &value.Source{Path: path})
	if err != nil || root == nil {
		return layer, err
	}
	out, _, _, err := t.apply(root, pos, scope{filepath.Dir(path), &include{path: path}})
	object, ok := out.(*value.Object)
	if err == nil && !ok {
		err = errors.New("expected object at config root")
	}
	if err != nil {
		return layer, &LoadError{path, err, t.readFile == nil}
	}
	layer.Data, layer.unset = object, t.unset
	return layer, nil
}
