package appconfig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/js"
)

// target is a file or a URL to load.
type target struct {
	path string // absolute
	url  *url.URL
}

// String names the target in errors.
func (t target) String() string {
	if t.url != nil {
		return displayURL(t.url)
	}
	return t.path
}

// target returns the file or URL that a name stands for.
func (o *Options) target(name string) (target, error) {
	if u := parseURL(name); u != nil {
		if o.LocalOnly {
			return target{}, textError(`Config argument "` + displayPath(name) + `" looks like a URL but remote configuration is ` +
				"not enabled. Enable it by passing the `remote` option")
		}
		return target{url: u}, nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(o.Dir, name)
	}
	path, err := filepath.Abs(name)
	return target{path: path}, err
}

// TargetsFromArgs returns the values of --config in a command line, as Backstage finds them with minimist: a value
// follows the flag, or an "=". It is for programs that have only the argument list.
func TargetsFromArgs(args []string) ([]string, error) {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	var targets []string
	named, bare := false, false // a target was found; a flag has no value
	for i := 0; i < len(args); i++ {
		target, hasTarget := strings.CutPrefix(args[i], "--config=")
		isBare := false
		switch {
		case hasTarget, args[i] == "--no-config":
		case args[i] == "--config" && i+1 < len(args) && !flag.MatchString(args[i+1]):
			i++
			target, hasTarget = args[i], true
		case args[i] == "--config":
			isBare = true
		case strings.HasPrefix(args[i], "--config."):
			return nil, fmt.Errorf("%s: --config wants a path or a URL", args[i])
		default:
			continue
		}
		bare = isBare || bare && named // before the first target, minimist forgets a flag when another follows
		named = named || hasTarget
		if hasTarget && target != "" {
			targets = append(targets, target)
		}
	}
	if bare {
		return nil, errors.New("--config wants a path or a URL")
	}
	return targets, nil
}

// flag matches an argument that minimist reads as a flag and not as a value.
var flag = regexp.MustCompile(`^--?[^-]`)

// sources returns the files and URLs to load, lowest first.
func (l *loader) sources(ctx context.Context, files *files) ([]target, error) {
	if len(l.targets) > 0 {
		return l.targets, nil
	}
	root, err := l.options.RootDir, error(nil)
	if root == "" {
		root, err = RootDir(ctx)
	} else {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return nil, err
	}
	var names, locals []string
	for env := range strings.SplitSeq(l.environ.values["BACKSTAGE_ENV"], ",") {
		if env = js.Trim(env); env != "" {
			names = append(names, "app-config."+env+".yaml")
			locals = append(locals, "app-config."+env+".local.yaml")
		}
	}
	names = slices.Concat([]string{"app-config.yaml"}, names, []string{"app-config.local.yaml"}, locals)
	var targets []target
	for i, name := range names {
		path := filepath.Join(root, name)
		_, err := files.stat(path)
		if err == nil || i == 0 && !l.options.AllowMissingDefault {
			targets = append(targets, target{path: path})
		}
	}
	return targets, nil
}

// RootDir returns the folder of the default files if Options.RootDir is empty. It is Backstage's targetRoot: the
// nearest folder, from the working directory upwards, whose package.json has workspaces, otherwise the working
// directory. So a host that is started in packages/backend of a Backstage repository finds the files at its top.
func RootDir(ctx context.Context) (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		var manifest struct{ Workspaces any }
		text, err := readRegular(ctx, filepath.Join(dir, "package.json"))
		if err == nil && json.Unmarshal(text, &manifest) == nil {
			switch manifest.Workspaces {
			case nil, false, 0.0, "": // false in JavaScript
			default:
				return dir, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return working, nil
		}
	}
}

// readRegular reads a regular file.
func readRegular(ctx context.Context, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return readSome(ctx, path, info, 0)
}
