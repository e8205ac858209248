// Package adopt prepares a Backstage app for this backend: it finds how the app's Node backend is started, chooses one of
// the ways to stand in for it, and writes the keys that this needs into a config layer of its own. docs/migrating.md
// describes the ways.
package adopt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/plugin"
)

// The ways to stand in for the Node backend.
const (
	Front     = "front"     // browsers reach this backend, which sends everything else to Node
	Beside    = "beside"    // a proxy in front sends two prefixes here
	Discovery = "discovery" // the app is told where the plugins are
)

// LayerName is the file that Run writes. mark is its first line: without it the file is somebody else's.
const (
	LayerName = "app-config.understudy.yaml"
	mark      = "# Made by understudy init. "
)

// freePort is where the Node backend goes, or this one if it is beside.
const freePort = "7008"

// Options say what to prepare.
type Options struct {
	Name    string // of the program, for the commands that are printed
	Dir     string // a folder of the app
	Way     string // "" is the one that fits
	Plugins []plugin.Plugin
	Out     io.Writer
}

// Run prepares an app. It changes no file that it has not made.
func Run(ctx context.Context, o Options) error {
	root, err := findRoot(o.Dir)
	if err != nil {
		return err
	}
	a := &app{Options: o, root: root}
	a.findStarts()
	first := a.starts[0]
	a.config, err = appconfig.Load(ctx, appconfig.Options{RootDir: root, Dir: root, Targets: first.layers, Lax: true, AllowMissingDefault: true})
	if _, empty := errors.AsType[*appconfig.MissingError](err); empty {
		a.config, err = appconfig.New(), nil
	}
	if err != nil {
		return fmt.Errorf("the config of the Node backend does not load: %w", err)
	}
	why, err := a.chooseWay()
	if err != nil {
		return err
	}
	layer := a.layer()
	written, err := writeLayer(filepath.Join(root, LayerName), layer)
	if err != nil {
		return err
	}
	a.explain(why, written)
	return nil
}

// app is what is found of an app.
type app struct {
	Options
	root   string
	starts []start
	config *appconfig.Config
}

// findRoot returns the folder of the app that dir is in: the one with packages/backend.
func findRoot(dir string) (string, error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := from; ; at = filepath.Dir(at) {
		if exists(filepath.Join(at, "packages", "backend", "package.json")) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is in no Backstage app: expected a folder with packages/backend/package.json; run init in the app's folder", from)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// chooseWay completes Way, and returns why it fits.
func (a *app) chooseWay() (why string, err error) {
	ingress := a.findProxy()
	endpoints, err := a.config.Has("discovery.endpoints")
	switch {
	case err != nil:
		return "", err
	case a.Way != "":
		if !slices.Contains([]string{Front, Beside, Discovery}, a.Way) {
			return "", fmt.Errorf("--way is %q, expected %s, %s or %s", a.Way, Front, Beside, Discovery)
		}
		return "it was asked for", nil
	case endpoints:
		a.Way = Discovery
		return "the app uses discovery.endpoints already", nil
	case ingress != "":
		a.Way = Beside
		return ingress + " routes to the Node backend already", nil
	}
	a.Way = Front
	return "no proxy and no discovery.endpoints were found", nil
}

// findProxy returns a file of the app that configures a proxy in front of the backend, or "". It does not look into deep
// folders, and reads small files alone.
func (a *app) findProxy() (found string) {
	_ = filepath.WalkDir(a.root, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(a.root, path)
		switch {
		case err != nil || entry.IsDir() && (strings.Count(name, string(filepath.Separator)) >= 4 || slices.Contains([]string{"node_modules", ".git", "dist", "src"}, entry.Name())):
			return skip(entry)
		case !entry.Type().IsRegular() || !slices.Contains([]string{".yaml", ".yml", ".conf", ".tpl"}, filepath.Ext(path)):
			return nil
		}
		info, err := entry.Info()
		if err != nil || info.Size() > 256<<10 {
			return nil //nolint:nilerr // it is not looked at
		}
		text, _ := os.ReadFile(path) //nolint:gosec // a file of the user's own app
		if bytes.Contains(text, []byte("kind: Ingress")) || bytes.Contains(text, []byte("kind: HTTPRoute")) || bytes.Contains(text, []byte("proxy_pass")) {
			found = filepath.ToSlash(name)
			return fs.SkipAll
		}
		return nil
	})
	return found
}

func skip(entry fs.DirEntry) error {
	if entry != nil && entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// writeLayer writes the layer, and reports whether the file is new. A file that is not of our making, or was changed
// since, stays as it is.
func writeLayer(path, layer string) (written bool, err error) {
	before, err := os.ReadFile(path) //nolint:gosec // below the folder that the user named
	switch {
	case errors.Is(err, fs.ErrNotExist):
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // as other config files; it holds no secret
		if err != nil {
			return false, err
		}
		_, err = io.WriteString(file, layer)
		return true, errors.Join(err, file.Close())
	case err != nil:
		return false, err
	case string(before) == layer:
		return false, nil
	case bytes.HasPrefix(before, []byte(mark)):
		return false, fmt.Errorf("%s is there, with other keys: remove it to have it made anew", path)
	}
	return false, fmt.Errorf("%s is there and was not made by init: rename it", path)
}
