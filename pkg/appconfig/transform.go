package appconfig

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// transformer replaces ${…}, $env, $file and $include in a parsed document.
type transformer struct {
	environ  *environ
	readFile func(path string) (string, error) // nil where nothing can be included: in remote documents
	path     []step                            // to the value at hand
	included int                               // bytes
	unset    []unsetKey
	includes int
}

// unsetKey is a value that vanished because variables were not set.
type unsetKey struct {
	key       string
	variables []string
}

// step is a key, or the index of an array's item, on the way to a value.
type step struct {
	key   string
	index int // -1 for a key
}

// at writes where the transformer is as Backstage's errors do: ".a.b[0]".
func (t *transformer) at() string {
	var b strings.Builder
	for _, s := range t.path {
		if s.index >= 0 {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		} else {
			b.WriteString("." + s.key)
		}
	}
	return b.String()
}

// miss notes that the value at hand vanishes.
func (t *transformer) miss(variables []string) {
	t.unset = append(t.unset, unsetKey{strings.TrimPrefix(t.at(), "."), variables})
}

// include is an include under way.
type include struct {
	parent *include
	path   string // the absolute path
	part   string // what of it, after the "#"
}

// scope is what relative paths start from.
type scope struct {
	dir    string
	within *include
}

// document transforms a whole document, whose root must come out as an object.
func (t *transformer) document(value any, pos position, in scope) (*Object, error) {
	out, _, _, err := t.apply(value, pos, in)
	if err != nil {
		return nil, err
	}
	object, ok := out.(*Object)
	if !ok {
		return nil, errors.New("expected object at config root")
	}
	return object, nil
}

// apply transforms a value and what is in it. ok is false where nothing is left of it.
func (t *transformer) apply(value any, pos position, in scope) (out any, _ position, ok bool, err error) {
	switch v := value.(type) {
	case string:
		if !strings.Contains(v, "${") {
			return value, pos, true, nil
		}
		out, pos, ok = t.text(v, pos)
		return out, pos, ok, nil
	case *Object:
		keyword := includeKey(v)
		if t.readFile == nil || keyword == "" {
			break
		}
		value, pos, in, ok, err = t.include(keyword, v, pos, in)
		if err != nil {
			return nil, pos, false, fmt.Errorf("error at %s, %w", t.at(), err)
		}
		if !ok {
			return nil, pos, false, nil
		}
	}
	return t.children(value, pos, in)
}

// text substitutes the variables in a text, and notes them where it came from.
func (t *transformer) text(value string, pos position) (any, position, bool) {
	text, used, ok := t.substitute(value)
	if len(used) > 0 {
		pos.from = &source{path: pos.from.path, variables: used, parent: pos.from.parent}
	}
	return text, pos, ok
}

// children transforms the parts of a value that itself stays as it is. It does so in place: what a parser made is
// in no other hands.
func (t *transformer) children(value any, pos position, in scope) (any, position, bool, error) {
	kept, depth := 0, len(t.path)
	defer func() { t.path = t.path[:depth] }()
	switch v := value.(type) {
	case []any:
		for i := range v {
			t.path = append(t.path[:depth], step{"", i})
			item, from, ok, err := t.apply(v[i], pos.items[i], in)
			if err != nil {
				return nil, pos, false, err
			}
			if ok {
				v[kept], pos.items[kept] = item, from
				kept++
			}
		}
		pos.items = pos.items[:kept]
		return v[:kept], pos, true, nil
	case *Object:
		v.sort()
		for i := range v.entries {
			e := &v.entries[i]
			t.path = append(t.path[:depth], step{e.key, -1})
			item, from, ok, err := t.apply(e.value, e.pos, in)
			if err != nil {
				return nil, pos, false, err
			}
			if ok {
				v.entries[kept] = entry{e.key, item, from}
				kept++
			}
		}
		v.truncate(kept)
	}
	return value, pos, true, nil
}

// substitute replaces every ${NAME} and ${NAME:-default} in a text, and $${…} by ${…}. ok is false where a
// variable without a default is not set.
func (t *transformer) substitute(text string) (out string, used []string, ok bool) {
	var b strings.Builder
	var missing []string
	ok = true
	done, next := 0, 0 // what is written, and where to look
	for {
		start := strings.Index(text[next:], "${")
		if start < 0 {
			break
		}
		start += next
		end := strings.IndexAny(text[start+2:], "{}")
		if end < 0 {
			break
		}
		if end += start + 2; text[end] == '{' {
			next = end - 1 // the innermost braces count
			continue
		}
		next = end + 1
		if start > done && text[start-1] == '$' {
			b.WriteString(text[done : start-1])
			b.WriteString(text[start:next])
			done = next
			continue
		}
		b.WriteString(text[done:start])
		done = next
		name, fallback, hasFallback := strings.Cut(text[start+2:end], ":-")
		name, fallback = trim(name), trim(fallback)
		value, set := t.environ.lookup(name)
		if !slices.Contains(used, name) {
			used = append(used, name)
		}
		switch {
		case hasFallback && value == "":
			value, set = fallback, fallback != ""
		case !set && !slices.Contains(missing, name):
			missing = append(missing, name)
		}
		ok = ok && set
		b.WriteString(value)
	}
	if len(missing) > 0 {
		t.miss(missing)
	}
	if !ok {
		return "", used, false
	}
	b.WriteString(text[done:])
	return b.String(), used, true
}

// includeKey returns the first of an object's keys that asks for an include, "" where none does.
func includeKey(object *Object) string {
	for i := range object.entries {
		if key := object.entries[i].key; key == "$file" || key == "$env" || key == "$include" {
			return key
		}
	}
	return ""
}

// include returns what stands in the place of {$file: …}, {$env: …} or {$include: …}, and the scope of what is in it.
// ok is false where nothing does.
func (t *transformer) include(keyword string, object *Object, pos position, in scope) (
	value any, _ position, _ scope, ok bool, err error,
) {
	fail := func(err error) (any, position, scope, bool, error) { return nil, pos, in, false, err }
	if object.Len() != 1 {
		return fail(fmt.Errorf("include key %s should not have adjacent keys", keyword))
	}
	raw, isText := object.entries[0].value.(string)
	if !isText {
		return fail(fmt.Errorf("%s include value is not a string", keyword))
	}
	target, used, ok := t.substitute(raw)
	if !ok {
		return fail(fmt.Errorf("%s substitution value was undefined", keyword))
	}
	if t.includes++; t.includes > maxIncludes {
		return fail(fmt.Errorf("more than %d includes", maxIncludes))
	}
	switch keyword {
	case "$env":
		value, ok = t.environ.lookup(target)
		pos.from = &source{path: pos.from.path, variables: append(used, target), parent: pos.from.parent}
		if !ok {
			t.miss([]string{target})
		}
		return value, pos, in, ok, nil
	case "$file":
		path := resolvePath(in.dir, target)
		text, err := t.read(path)
		if err != nil {
			return fail(fmt.Errorf("failed to read file %s, %w", target, named(err)))
		}
		return trimRight(text), position{from: &source{path: path, parent: &pos}, line: 1, column: 1}, in, true, nil
	}
	return t.includePart(target, pos, in)
}

// includePart reads the part of a file that "path#key.key" names.
func (t *transformer) includePart(target string, pos position, in scope) (
	value any, from position, _ scope, ok bool, err error,
) {
	fail := func(err error) (any, position, scope, bool, error) { return nil, pos, in, false, err }
	name, part, _ := strings.Cut(target, "#")
	if i := strings.IndexAny(part, "\n\r\u2028\u2029"); i >= 0 {
		part = part[:i] // in Backstage the path ends at a line's end
	}
	parse := parserFor(name)
	if parse == nil {
		return fail(fmt.Errorf("no configuration parser available for included file %s", name))
	}
	path := resolvePath(in.dir, name)
	for i := in.within; i != nil; i = i.parent {
		if i.path == path && i.part == part {
			return fail(fmt.Errorf("included file %s includes itself", target))
		}
	}
	text, err := t.read(path)
	if err != nil {
		return fail(err)
	}
	value, from, err = parse(text, &source{path: path, parent: &pos})
	if err != nil {
		return fail(fmt.Errorf("failed to parse included file %s, %w", name, named(err)))
	}
	ok = true
	if part != "" {
		parts := strings.Split(part, ".")
		for i, key := range parts {
			object, isObject := value.(*Object)
			if !isObject || !ok {
				return fail(fmt.Errorf("value at '%s' in included file %s is not an object",
					strings.Join(parts[:i], "."), name))
			}
			j := object.find(key)
			if ok = j >= 0; ok {
				value, from = object.entries[j].value, object.entries[j].pos
			}
		}
	}
	in = scope{filepath.Dir(path), &include{in.within, path, part}}
	if text, isText := value.(string); isText && ok {
		value, from, ok = t.text(text, from)
	}
	return value, from, in, ok, nil
}

// read reads a file to include.
func (t *transformer) read(path string) (string, error) {
	text, err := t.readFile(path)
	if t.included += len(text); err == nil && t.included > maxIncluded {
		err = fmt.Errorf("more than %d bytes are included", maxIncluded)
	}
	return text, err
}

// parserFor returns what reads an included file, by the extension of its name.
func parserFor(name string) func(string, *source) (any, position, error) {
	base := filepath.Base(name) // drops a slash at the end, as Node does
	switch i := strings.LastIndexByte(base, '.'); {
	case i <= 0:
		return nil
	case base[i:] == ".json":
		return parseJSON
	case base[i:] == ".yaml", base[i:] == ".yml":
		return parseYAML
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
	if _, ok := errors.AsType[*SyntaxError](err); ok {
		class = "SyntaxError"
	} else if _, ok := errors.AsType[*NotFoundError](err); ok {
		class = "NotFoundError"
	}
	return fmt.Errorf("%s: %w", class, err)
}
