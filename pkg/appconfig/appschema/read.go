package appschema

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// schemaKey is the key that names files with schemas of the app.
const schemaKey = ownKey + ".schema"

// maxSize is the size of a file with schemas that is not read any more.
const maxSize = 32 << 20

// Load returns what is known with the schemas in files. If none are given, they are those that understudy.schema names, relative to the file
// that it is in. Otherwise they are those that a built app in dir carries, which may lack what only its backend has. If these cannot be used, the
// error comes with what is known without them.
func Load(own []schema.Source, files []string, config *appconfig.Config, dir string) (*App, error) {
	prefix, whole := "", true
	if len(files) == 0 {
		named, err := configured(config)
		if err != nil {
			return nil, err
		}
		files = named
		prefix = "config key '" + schemaKey + "': "
	}
	if len(files) == 0 {
		files, whole = Built(dir), false
	}
	found := !whole
	var app []schema.Source
	for _, path := range files {
		sources, err := Read(path)
		if err != nil && found {
			return unbuilt(own, err)
		} else if err != nil {
			return nil, fmt.Errorf("%s%w", prefix, err)
		}
		app = append(app, sources...)
	}
	// The app's backend is in the same workspace, and may be among what the app depends on.
	whole = whole || slices.ContainsFunc(app, func(s schema.Source) bool { return s.PackageName == "@backstage/backend-defaults" })
	a, err := New(own, app, whole)
	if err != nil && found && len(files) > 0 {
		return unbuilt(own, fmt.Errorf("%s: %w", strings.Join(files, ", "), err))
	}
	return a, err
}

// unbuilt returns what is known without the schemas of a built app, and why they are not used.
func unbuilt(own []schema.Source, reason error) (*App, error) {
	a, err := New(own, nil, false)
	if err != nil {
		return nil, err
	}
	return a, fmt.Errorf("the schemas of the built app are not used: %w", reason)
}

// configured returns the files that understudy.schema names.
func configured(config *appconfig.Config) (files []string, err error) {
	if has, err := config.Has(schemaKey); err != nil || !has {
		return nil, nil // the schema of the host reports a wrong type
	}
	all, err := config.Located()
	for _, located := range all {
		name, ok := located.Value.(string)
		if key, _, _ := strings.Cut(located.Key, "["); key != schemaKey || !ok || name == "" {
			continue
		}
		if source := located.Origin.Source; source != nil && source.Path != "" && !filepath.IsAbs(name) && !strings.Contains(source.Path, "://") {
			name = filepath.Join(filepath.Dir(source.Path), name)
		}
		files = append(files, name)
	}
	return files, err
}

// Read returns the schemas in a file: what backstage-cli's config:schema prints as JSON, with or without --merge, or the .config-schema.json
// of a built app.
func Read(path string) ([]schema.Source, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	fail := func(err error) ([]schema.Source, error) {
		return nil, fmt.Errorf("%s: %w, expected what backstage-cli config:schema --format json prints", path, err)
	}
	v, err := value.ParseJSON(text)
	if err != nil {
		return fail(fmt.Errorf("not JSON: %w", err))
	}
	object, ok := v.(*value.Object)
	if !ok {
		return fail(errors.New("not an object"))
	}
	list, serialized := object.Get("schemas")
	version, versioned := object.Get("backstageConfigSchemaVersion")
	if !serialized && !versioned { // the merged schema, or any other one
		return []schema.Source{{PackageName: filepath.Base(path), Path: path, Value: text}}, nil
	}
	if version != 1.0 {
		return fail(errors.New("Serialized configuration schema is invalid or has an invalid version number"))
	}
	items, ok := list.([]any)
	if !ok {
		return fail(errors.New("its 'schemas' are not a list"))
	}
	var sources []schema.Source
	for i, item := range items {
		entry, _ := item.(*value.Object)
		one, ok := entry.Get("value")
		if !ok {
			return fail(fmt.Errorf("schema %d has no value", i))
		}
		name, _ := entry.Get("packageName")
		at, _ := entry.Get("path")
		source := schema.Source{Value: value.FormatJSON(one)}
		source.PackageName, _ = name.(string)
		source.Path, _ = at.(string)
		sources = append(sources, source)
	}
	return sources, nil
}

// readFile reads a regular file up to maxSize.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxSize)
	}
	return text, err
}

// Built returns the schemas that the built apps of a Backstage repository carry: dist/.config-schema.json in its packages. dir is the top of
// the repository.
func Built(dir string) (files []string) {
	for _, pattern := range workspaces(dir) {
		found, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern), "dist", ".config-schema.json"))
		files = append(files, found...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// workspaces returns the patterns of the folders of a repository's packages.
func workspaces(dir string) []string {
	var manifest struct{ Workspaces json.RawMessage }
	text, err := readFile(filepath.Join(dir, "package.json"))
	if err != nil || json.Unmarshal(text, &manifest) != nil {
		return nil
	}
	var patterns []string
	if json.Unmarshal(manifest.Workspaces, &patterns) == nil {
		return patterns
	}
	var object struct{ Packages []string }
	_ = json.Unmarshal(manifest.Workspaces, &object)
	return object.Packages
}
