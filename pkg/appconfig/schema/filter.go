package schema

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// Visibilities returns the visibilities that a value can have. The default is backend.
func Visibilities() []string { return []string{"frontend", "backend", "secret"} }

// Options are the options of Backstage's schema.process(). The zero value validates, and filters nothing.
type Options struct {
	// Visibility lists the visibilities of the values to keep, and of those whose problems are reported. nil keeps
	// all values and reports all problems.
	Visibility []string
	// Transform replaces each scalar that is kept.
	Transform          func(value any, visibility, path string) any
	WithDeprecatedKeys bool // collect deprecated keys
	IgnoreErrors       bool // do not validate
}

// A Filtered layer is a layer with the values that Process kept.
type Filtered struct {
	appconfig.Layer
	DeprecatedKeys []DeprecatedKey // if Options.WithDeprecatedKeys is set
}

// A DeprecatedKey is a key of a layer that is deprecated in the schema.
type DeprecatedKey struct{ Key, Description string }

// Process validates the configuration and returns its layers, filtered by visibility. If the configuration is not
// valid, the error is a *ValidationError.
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
	all := o.Visibility == nil && o.Transform == nil
	if o.Visibility == nil {
		o.Visibility = Visibilities()
	}
	var out []Filtered
	for _, layer := range c.Layers() {
		f := &filter{Options: o, evaluation: e, Filtered: Filtered{Layer: layer}}
		if !all {
			data, _ := f.value(layer.Data, "", "", "backend")
			f.Data, _ = data.(*value.Object)
		}
		out = append(out, f.Filtered)
	}
	return out, nil
}

// concerns reports whether a problem is about a value of one of the visibilities.
func (s *Schema) concerns(p problem, e *evaluation, visibility []string) bool {
	// The schema of a missing property, or of a property below it, may be visible. As in Backstage, paths are compared
	// as strings: that of "title" is a prefix of that of "titleLong".
	for path, v := range s.visible {
		if p.missing != "" && strings.HasPrefix(path, p.missing) && slices.Contains(visibility, v) {
			return true
		}
	}
	return p.container || slices.Contains(visibility, cmp.Or(e.notes["visibility"][normalizePath(p.path)], "backend"))
}

// A filter keeps the visible values of one layer.
type filter struct {
	Options
	*evaluation
	Filtered
}

// value returns the visible part of a value, and whether there is one. path is the key of the notes, key is the one
// that users see, inherited is the visibility if the value has none of its own.
func (f *filter) value(v any, path, key, inherited string) (any, bool) {
	visibility := cmp.Or(f.notes["visibility"][path], inherited)
	visible := slices.Contains(f.Visibility, visibility)
	// A deepVisibility holds below the value that has it, not for the value.
	inherited = cmp.Or(f.notes["deepVisibility"][path], inherited)
	if description := f.notes["deprecated"][path]; description != "" && f.WithDeprecatedKeys {
		f.DeprecatedKeys = append(f.DeprecatedKeys, DeprecatedKey{key, description})
	}
	switch v := v.(type) {
	case nil:
		return nil, false // a null no longer hides the value of a lower layer
	case []any:
		// Invisible items leave no gap: the items after them move up.
		items := []any{}
		for i, item := range v {
			at := path + "/" + strconv.Itoa(i)
			if f.notes["visibility"][at] == "" && slices.Contains([]string{"string", "number", "boolean"}, value.TypeOf(item)) {
				at = path // a scalar is as visible as the array
			}
			if out, ok := f.value(item, at, key+"["+strconv.Itoa(i)+"]", inherited); ok {
				items = append(items, out)
			}
		}
		return items, len(items) > 0 || visible
	case *value.Object:
		object := &value.Object{}
		for name, item := range v.All() {
			if out, ok := f.value(item, path+"/"+name, joinKey(key, name), inherited); ok {
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

// Secrets returns, without duplicates, every string and number in a secret value of any layer: the values to redact
// from logs. Each layer is also evaluated alone, because a value that a higher layer hides is still secret.
func (s *Schema) Secrets(c *appconfig.Config) []string { return s.secrets(c, true) }

// SecretsAlone is Secrets for schemas of others, which call a value secret that may also be an object with other things in it: only a
// value counts that is secret itself, or by a deepVisibility around it, as in Backstage.
func (s *Schema) SecretsAlone(c *appconfig.Config) []string { return s.secrets(c, false) }

func (s *Schema) secrets(c *appconfig.Config, deep bool) []string {
	found := map[string]bool{}
	layers := c.Layers()
	configs := []*appconfig.Config{c}
	for _, layer := range layers {
		configs = append(configs, appconfig.New(layer))
	}
	for _, config := range configs {
		e, err := s.evaluate(config)
		if err != nil {
			continue // layers that contradict each other are evaluated alone
		}
		for _, layer := range layers {
			e.collect(layer.Data, "", false, deep, found)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// collect adds the secret strings and numbers of a value to found. If deep is set, all that is in a secret value is secret.
func (e *evaluation) collect(v any, path string, secret, deep bool, found map[string]bool) {
	own := secret || e.notes["visibility"][path] == "secret"
	inherited := secret || e.notes["deepVisibility"][path] == "secret" || own && deep
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			_, isObject := item.(*value.Object)
			e.collect(item, path+"/"+strconv.Itoa(i), inherited || own && !isObject, deep, found) // a scalar is as secret as the array
		}
	case *value.Object:
		for key, item := range v.All() {
			e.collect(item, path+"/"+key, inherited, deep, found)
		}
	case string, float64:
		if s := js.String(v); (own || inherited) && s != "" {
			found[s] = true
		}
	}
}
