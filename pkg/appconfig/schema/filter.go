package schema

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// Visibilities returns those that a value can have. A value without one is backend.
func Visibilities() []string { return []string{"frontend", "backend", "secret"} }

// Options are those of Backstage's schema.process(). The zero value validates and filters nothing.
type Options struct {
	// Visibility lists the visibilities to keep. nil keeps all values and reports all problems; with a list,
	// only problems with values of these visibilities are reported.
	Visibility []string
	// Transform replaces each scalar that is kept.
	Transform          func(value any, visibility, path string) any
	WithDeprecatedKeys bool // collect deprecated keys
	IgnoreErrors       bool // do not validate
}

// A Filtered layer is what Process leaves of one. Its lists are nil unless they were asked for.
type Filtered struct {
	appconfig.Layer
	DeprecatedKeys []DeprecatedKey
}

// A DeprecatedKey is a key of a layer that its schema calls deprecated.
type DeprecatedKey struct{ Key, Description string }

// Process validates the configuration and returns its layers filtered by visibility. A failed validation is a
// *ValidationError.
func (s *Schema) Process(c *appconfig.Config, o Options) ([]Filtered, error) {
	e, err := s.evaluate(c)
	if err != nil {
		return nil, err
	}
	if !o.IgnoreErrors {
		var invalid ValidationError
		for _, p := range e.problems {
			if o.Visibility == nil || s.concerns(p, e, o.Visibility) {
				invalid.Messages = append(invalid.Messages, "Config "+p.message+" { "+p.params+" } at "+normalizePath(p.path))
				invalid.Keys = append(invalid.Keys, p.key)
			}
		}
		if invalid.Keys != nil {
			return nil, &invalid
		}
	}
	var out []Filtered
	for _, layer := range c.Layers() {
		f := &filter{Options: o, evaluation: e, Filtered: Filtered{Layer: layer}}
		if o.Visibility != nil || o.Transform != nil {
			if o.Visibility == nil {
				f.Visibility = Visibilities()
			}
			if o.WithDeprecatedKeys {
				f.DeprecatedKeys = []DeprecatedKey{}
			}
			data, _ := f.value(layer.Data, "", "", "backend")
			f.Data, _ = data.(*value.Object)
		}
		out = append(out, f.Filtered)
	}
	return out, nil
}

// concerns tells whether a problem is shown to those who see the given visibilities.
func (s *Schema) concerns(p problem, e *evaluation, visibility []string) bool {
	if p.container {
		return true
	}
	// The schema of a missing property, or of what is below it, may be visible. Paths are compared as texts, so that of
	// "title" is found in that of "titleLong" too.
	for path, v := range s.visible {
		if p.missing != "" && strings.HasPrefix(path, p.missing) && slices.Contains(visibility, v) {
			return true
		}
	}
	return slices.Contains(visibility, cmp.Or(e.notes["visibility"][normalizePath(p.path)], "backend"))
}

// A filter keeps the visible values of one layer.
type filter struct {
	Options
	*evaluation
	Filtered
}

// value returns what is visible of a value, and whether anything is. path is what visibilities are noted by,
// key is what the value is called in lists of keys, inherited is the visibility unless there is a nearer one.
func (f *filter) value(v any, path, key, inherited string) (any, bool) {
	visibility := cmp.Or(f.notes["visibility"][path], inherited)
	visible := slices.Contains(f.Visibility, visibility)
	// A deepVisibility holds below the value that has it, not for the value itself.
	inherited = cmp.Or(f.notes["deepVisibility"][path], inherited)
	if text := f.notes["deprecated"][path]; text != "" && f.WithDeprecatedKeys {
		f.DeprecatedKeys = append(f.DeprecatedKeys, DeprecatedKey{key, text})
	}
	switch v := v.(type) {
	case nil:
		return nil, false // so a null no longer hides what a lower layer has
	case []any:
		// What is left out leaves no gap: items move up.
		items := []any{}
		for i, item := range v {
			at := path + "/" + strconv.Itoa(i)
			if f.notes["visibility"][at] == "" && slices.Contains([]string{"string", "number", "boolean"}, typeOf(item)) {
				at = path // a scalar is as visible as the array
			}
			if out, ok := f.value(item, at, key+"["+strconv.Itoa(i)+"]", inherited); ok {
				items = append(items, out)
			}
		}
		return items, len(items) > 0 || visible
	case *value.Object:
		object := &value.Object{}
		for name, item := range entries(v) {
			full := name
			if key != "" {
				full = key + "." + name
			}
			if out, ok := f.value(item, path+"/"+name, full, inherited); ok {
				object.SetAt(name, out, v.Position(name))
			}
		}
		return object, object.Len() > 0 || visible
	}
	if !visible {
		return nil, false
	}
	if f.Transform != nil {
		return f.Transform(v, visibility, key), true
	}
	return v, true
}

// Secrets returns the texts and numbers in any layer that are secret, or that are within a value that should
// be, each once: what must not be in a log. Layers are also looked at one by one, because
// a value that a higher layer hides is no less secret.
func (s *Schema) Secrets(c *appconfig.Config) []string {
	found := map[string]bool{}
	layers := c.Layers()
	configs := []*appconfig.Config{c}
	for _, layer := range layers {
		configs = append(configs, appconfig.New(layer))
	}
	for _, config := range configs {
		e, err := s.evaluate(config)
		if err != nil {
			continue // layers that do not fit together are looked at one by one
		}
		for _, layer := range layers {
			e.collect(layer.Data, "", false, found)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// collect adds the secret scalars of a value to found.
func (e *evaluation) collect(v any, path string, secret bool, found map[string]bool) {
	secret = secret || e.notes["visibility"][path] == "secret"
	inherited := secret || e.notes["deepVisibility"][path] == "secret"
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			e.collect(item, path+"/"+strconv.Itoa(i), inherited, found)
		}
	case *value.Object:
		for name, item := range entries(v) {
			e.collect(item, path+"/"+name, inherited, found)
		}
	case string, float64:
		if text := toString(v); inherited && text != "" {
			found[text] = true
		}
	}
}
