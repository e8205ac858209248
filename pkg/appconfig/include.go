package appconfig

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/pkg/js"
)

// scope is the folder that relative paths start from, and the include that contains them.
type scope struct {
	dir    string
	within *include
}

// include is an include in progress.
type include struct {
	parent *include
	path   string // the absolute path
	part   string // the key after "#"
}

// includeKey returns the first of an object's keys that is $file, $env or $include, otherwise "".
func includeKey(object *value.Object) string {
	for key := range object.All() {
		if key == "$file" || key == "$env" || key == "$include" {
			return key
		}
	}
	return ""
}

// part is what replaces an include: a value, its position, and the scope of everything in it. ok is false if the key
// is left out.
type part struct {
	value any
	pos   value.Position
	in    scope
	ok    bool
}

// include returns what replaces {$file: …}, {$env: …} or {$include: …}.
func (t *transformer) include(keyword string, object *value.Object, pos value.Position, in scope) (_ part, err error) {
	if object.Len() != 1 {
		return part{}, fmt.Errorf("include key %s should not have adjacent keys", keyword)
	}
	raw, _ := object.Get(keyword)
	text, isString := raw.(string)
	if !isString {
		return part{}, fmt.Errorf("%s include value is not a string", keyword)
	}
	target, used, ok := t.substitute(text)
	if !ok {
		return part{}, fmt.Errorf("%s substitution value was undefined", keyword)
	}
	defer func() { err = t.withoutVariables(err, used) }()
	if t.includes++; t.includes > maxIncludes {
		return part{}, fmt.Errorf("more than %d includes", maxIncludes)
	}
	switch keyword {
	case "$env":
		found, ok := t.environ.lookup(target)
		if !ok {
			t.miss([]string{target})
		}
		return part{found, withVariables(pos, append(used, target)), in, ok}, nil
	case "$file":
		path := resolvePath(in.dir, target)
		text, err := t.read(path)
		if err != nil {
			return part{}, fmt.Errorf("failed to read file %s, %w", displayPath(target), named(err))
		}
		at := value.Position{Source: &value.Source{Path: path, Parent: &pos}, Line: 1, Column: 1}
		return part{js.TrimRight(text), at, in, true}, nil
	}
	return t.includePart(target, pos, in)
}

// includePart reads the part of a file that "path#key.key" names.
func (t *transformer) includePart(target string, pos value.Position, in scope) (part, error) {
	name, key, _ := strings.Cut(target, "#")
	if i := strings.IndexAny(key, "\n\r\u2028\u2029"); i >= 0 {
		key = key[:i] // as in Backstage, the key ends at a line break
	}
	parse := parserFor(name)
	if parse == nil {
		return part{}, fmt.Errorf("no configuration parser available for included file %s", displayPath(name))
	}
	path := resolvePath(in.dir, name)
	for i := in.within; i != nil; i = i.parent {
		if i.path == path && i.part == key {
			return part{}, fmt.Errorf("included file %s includes itself", displayPath(target))
		}
	}
	text, err := t.read(path)
	if err != nil {
		return part{}, err
	}
	found := part{in: scope{filepath.Dir(path), &include{in.within, path, key}}, ok: true}
	found.value, found.pos, err = parse(text, &value.Source{Path: path, Parent: &pos})
	if err != nil {
		return part{}, fmt.Errorf("failed to parse included file %s, %w", displayPath(name), named(err))
	}
	if key != "" {
		parts := strings.Split(key, ".")
		for i, step := range parts {
			object, isObject := found.value.(*value.Object)
			if !isObject {
				return part{}, fmt.Errorf("value at '%s' in included file %s is not an object", strings.Join(parts[:i], "."), displayPath(name))
			}
			found.value, found.ok = object.Get(step)
			found.pos = object.Position(step)
		}
	}
	if s, isString := found.value.(string); isString {
		found.value, found.pos, found.ok = t.text(s, found.pos)
	}
	return found, nil
}

// withoutVariables returns an error with the names of variables in place of their values: {$file: "${PASSWORD}"} is an easy
// mistake. Shorter values are not secrets.
func (t *transformer) withoutVariables(err error, names []string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, name := range names {
		if found, _ := t.environ.lookup(name); len(found) >= 4 {
			text = strings.ReplaceAll(text, found, "${"+name+"}")
		}
	}
	if text == err.Error() {
		return err
	}
	return textError(text)
}

// read reads a file to include.
func (t *transformer) read(path string) (string, error) {
	text, err := t.readFile(path)
	if t.included += len(text); err == nil && t.included > maxIncluded {
		err = fmt.Errorf("more than %d bytes are included", maxIncluded)
	}
	return text, err
}

// parserFor returns the parser for an included file by its extension, or nil.
func parserFor(name string) func(string, *value.Source) (any, value.Position, error) {
	base := filepath.Base(name) // drops a slash at the end, as Node does
	switch filepath.Ext(base) {
	case base: // no extension for Node
	case ".json":
		return value.ReadJSON
	case ".yaml", ".yml":
		return yaml.Read
	}
	return nil
}

func resolvePath(dir, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

// named prefixes an error with the name of the class that it has in Backstage.
func named(err error) error {
	class := "Error"
	if _, ok := errors.AsType[*value.SyntaxError](err); ok {
		class = "SyntaxError"
	} else if _, ok := errors.AsType[*NotFoundError](err); ok {
		class = "NotFoundError"
	}
	return fmt.Errorf("%s: %w", class, err)
}
