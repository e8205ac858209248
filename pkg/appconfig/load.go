package appconfig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits on what is read; what exceeds them is refused with an error.
const (
	maxFileSize = 2 << 20  // bytes of a file, an included one or a remote document
	maxDepth    = 500      // of nesting
	maxValues   = 100_000  // in a document, aliases followed
	maxIncludes = 1000     // in a layer
	maxIncluded = 16 << 20 // bytes that a layer includes
)

// Options say where a configuration is loaded from. The zero value loads the default files of the project,
// without any environment.
type Options struct {
	RootDir string   // where default files are looked for; "" is the project's root, as Backstage finds it
	Dir     string   // what relative --config paths start from; "" is the working directory
	Args    []string // the command line; --config is taken from it as Backstage does
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

// target is a file or a URL to load.
type target struct {
	path string // absolute
	url  *url.URL
}

func newLoader(o Options) (*loader, error) {
	l := &loader{options: o, environ: newEnviron(o.Environ)}
	l.remote = l.fetch
	l.environ.lax = o.Lax
	args, err := configArgs(o.Args)
	if err != nil {
		return nil, err
	}
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

func absolute(dir, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Abs(path)
}

// configArgs returns the values of --config as minimist finds them: a value that follows, or one behind "=".
// Without one it is true there, and --no-config is false: either gives way to what follows if it comes first.
func configArgs(args []string) (targets []string, err error) {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	var values []any
	for i := 0; i < len(args); i++ {
		var value any
		text, ok := strings.CutPrefix(args[i], "--config=")
		switch {
		case ok:
			value = text
		case args[i] == "--config" && i+1 < len(args) && !isFlag(args[i+1]):
			i++
			value = args[i]
		case args[i] == "--config":
			value = true
		case args[i] == "--no-config":
			value = false
		case strings.HasPrefix(args[i], "--config."):
			return nil, fmt.Errorf("%s: --config wants a path or a URL", args[i])
		default:
			continue
		}
		if len(values) == 1 && (values[0] == true || values[0] == false) {
			values = nil
		}
		values = append(values, value)
	}
	for _, value := range values {
		if value == true {
			return nil, errors.New("--config wants a path or a URL")
		}
		if text, _ := value.(string); text != "" {
			targets = append(targets, text)
		}
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
func (l *loader) sources(files *files) ([]target, error) {
	if len(l.targets) > 0 {
		return l.targets, nil
	}
	root, err := l.options.RootDir, error(nil)
	if root == "" {
		root, err = rootDir()
	} else {
		root, err = filepath.Abs(root)
	}
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
			if _, err := files.stat(path); err == nil {
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

// files notes which files a load looked at, and in which state they were.
type files struct {
	mu   sync.Mutex
	seen map[string]fs.FileInfo // by absolute path; nil for one that is not there
}

// stat looks at a file.
func (f *files) stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.seen[path]; !ok { // the state before it was read counts
		f.seen[path] = info
	}
	return info, err
}

// read reads a file; missing is what the error says of one that is not there. A file that is empty is given a
// moment, for a program that is just writing it.
func (f *files) read(path, missing string) ([]byte, error) {
	info, err := f.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{path, fmt.Sprintf(missing, path)}
	} else if err != nil {
		return nil, err
	}
	text, err := readSome(path, info.Size())
	if err == nil && len(text) == 0 {
		time.Sleep(10 * time.Millisecond)
		text, err = readSome(path, info.Size())
	}
	return text, err
}

// readSome reads a file up to the limit, whatever size it claims to have: a pipe or a device has none.
func readSome(path string, size int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var text bytes.Buffer
	text.Grow(int(min(size, maxFileSize)) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(file, maxFileSize+1)); err != nil {
		return nil, err
	}
	if text.Len() > maxFileSize {
		return nil, fmt.Errorf("file %s is larger than %d bytes", path, maxFileSize)
	}
	return text.Bytes(), nil
}
