package appconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Limits on what is read; what exceeds them is refused with an error.
const (
	maxFileSize = 4 << 20   // bytes of a file, an included one or a remote document
	maxDepth    = 500       // of nesting
	maxValues   = 1_000_000 // in a document, aliases followed
	maxIncludes = 10_000    // in a layer
)

// Options say where a configuration is loaded from. The zero value loads the default files of the working
// directory, without any environment.
type Options struct {
	RootDir string   // where default files are looked for (Backstage's targetRoot); "" is the working directory
	Dir     string   // what relative --config paths start from; "" is the working directory
	Args    []string // the command line; --config is taken from it as Backstage does
	Environ []string // NAME=value in order, as os.Environ gives it

	AllowMissingDefault bool // do without app-config.yaml
	Lax                 bool // take "x" for variables that are not set, as backstage-cli config:check --lax does
	LocalOnly           bool // refuse URLs, as Backstage does unless its remote option is set
}

// A NotFoundError says that a file is not there.
type NotFoundError struct {
	Path    string
	problem string
}

func (e *NotFoundError) Error() string { return e.problem }

// Load reads all sources: the files that --config names or else the default files, then the APP_CONFIG_
// variables.
func Load(ctx context.Context, o Options) (*Config, error) {
	l, err := newLoader(o)
	if err != nil {
		return nil, err
	}
	return l.load(ctx)
}

type loader struct {
	options Options
	environ *environ
	targets []target
}

// target is a file or a URL to load.
type target struct {
	path string // absolute
	url  *url.URL
}

func newLoader(o Options) (*loader, error) {
	l := &loader{options: o, environ: newEnviron(o.Environ)}
	l.environ.lax = o.Lax
	args, err := configArgs(o.Args)
	if err != nil {
		return nil, err
	}
	for _, arg := range args {
		if u, err := url.Parse(strings.TrimFunc(arg, func(r rune) bool { return r <= ' ' })); err == nil && u.Scheme != "" && u.Host != "" {
			if o.LocalOnly {
				return nil, fmt.Errorf(`Config argument "%s" looks like a URL but remote configuration is `+
					"not enabled. Enable it by passing the `remote` option", arg)
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

func absolute(dir, path string) (string, error) {
	if dir == "" || filepath.IsAbs(path) {
		return filepath.Abs(path)
	}
	return filepath.Abs(filepath.Join(dir, path))
}

// configArgs returns the values of --config as minimist finds them: a value that follows, or one behind "=".
// A --config without one is forgotten where another follows, --no-config forgets all before it.
func configArgs(args []string) (targets []string, err error) {
	bare := false
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		value, ok := strings.CutPrefix(args[i], "--config=")
		switch {
		case ok:
		case args[i] == "--config" && i+1 < len(args) && !isFlag(args[i+1]):
			i++
			value = args[i]
		case args[i] == "--config":
			bare = true
			continue
		case strings.HasPrefix(args[i], "--config."):
			return nil, fmt.Errorf("%s: --config wants a path or a URL", args[i])
		default:
			continue
		}
		bare = false
		if value != "" {
			targets = append(targets, value)
		}
	}
	if bare {
		return nil, errors.New("--config wants a path or a URL")
	}
	return targets, nil
}

// isFlag tells whether minimist takes an argument for a flag rather than for a value.
func isFlag(arg string) bool {
	arg, ok := strings.CutPrefix(arg, "-")
	arg = strings.TrimPrefix(arg, "-")
	return ok && arg != "" && arg[0] != '-'
}

// sources returns the files and URLs to load, lowest first.
func (l *loader) sources() ([]target, error) {
	if len(l.targets) > 0 {
		return l.targets, nil
	}
	root, err := absolute("", l.options.RootDir)
	if err != nil {
		return nil, err
	}
	var envs []string
	for env := range strings.SplitSeq(l.environ.values["BACKSTAGE_ENV"], ",") {
		if env = trim(env); env != "" {
			envs = append(envs, env)
		}
	}
	var targets []target
	add := func(format string, envs ...string) {
		for _, env := range envs {
			path := filepath.Join(root, strings.ReplaceAll(format, "*", env))
			if _, err := os.Stat(path); err == nil {
				targets = append(targets, target{path: path})
			}
		}
	}
	if l.options.AllowMissingDefault {
		add("app-config.yaml", "")
	} else {
		targets = append(targets, target{path: filepath.Join(root, "app-config.yaml")})
	}
	add("app-config.*.yaml", envs...)
	add("app-config.local.yaml", "")
	add("app-config.*.local.yaml", envs...)
	return targets, nil
}

func (l *loader) load(ctx context.Context) (*Config, error) {
	targets, err := l.sources()
	if err != nil {
		return nil, err
	}
	data, err := l.environ.config()
	if err != nil {
		return nil, err // before any problem with a file, as in Backstage
	}
	var layers []Layer
	for _, t := range targets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		layer, err := l.loadFile(t.path)
		if err != nil {
			return nil, err
		}
		if layer.Data != nil {
			layers = append(layers, layer)
		}
	}
	if data != nil {
		layers = append(layers, Layer{Name: "env", Data: data})
	}
	if len(layers) == 0 {
		return nil, &MissingError{"", noLayer} // as ConfigSources.toConfig does
	}
	return New(layers...), nil
}

func (l *loader) loadFile(path string) (Layer, error) {
	layer := Layer{Name: filepath.Base(path), Path: path}
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return layer, &NotFoundError{path, fmt.Sprintf(`Config file "%s" does not exist`, path)}
	} else if err != nil {
		return layer, err
	}
	value, pos, err := parseYAML(text, &source{path: path})
	if err != nil || value == nil {
		return layer, err
	}
	t := &transformer{environ: l.environ, readFile: func(path string) (string, error) {
		text, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = &NotFoundError{path, fmt.Sprintf(`failed to include "%s", file does not exist`, path)}
		}
		return text, err
	}}
	layer.Data, err = t.document(value, pos, scope{filepath.Dir(path), &include{path: path}})
	if err != nil {
		return layer, fmt.Errorf(`Failed to read config file at "%s", %w`, path, err)
	}
	return layer, nil
}

// readFile reads a text file. One that is empty is given a moment, for a program that is just writing it.
func readFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) == 0 {
		time.Sleep(10 * time.Millisecond)
		text, err = os.ReadFile(path)
	}
	if len(text) > maxFileSize {
		return "", fmt.Errorf("file %s is larger than %d bytes", path, maxFileSize)
	}
	return validUTF8(text), err
}
