package appconfig

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// transformer replaces ${…}, $env, $file and $include in a parsed document.
type transformer struct {
	environ  *environ
	readFile func(path string) (string, error) // nil for remote documents, which cannot include anything
	path     []string                          // of the current value, as Backstage's errors write it: ".a", "[0]"
	unset    []unsetKey
	values   int
	includes int
	included int // bytes
}

// at returns the path of the current value.
func (t *transformer) at() string { return strings.Join(t.path, "") }

// apply transforms a value and everything in it. ok is false if the value is left out.
func (t *transformer) apply(v any, pos value.Position, in scope) (out any, _ value.Position, ok bool, err error) {
	if t.values++; t.values > maxValues {
		return nil, pos, false, fmt.Errorf("more than %d values", maxValues)
	}
	switch x := v.(type) {
	case string:
		out, pos, ok = t.text(x, pos)
		return out, pos, ok, nil
	case *value.Object:
		keyword := includeKey(x)
		if t.readFile == nil || keyword == "" {
			break
		}
		found, err := t.include(keyword, x, pos, in)
		if err != nil {
			return nil, pos, false, fmt.Errorf("error at %s, %w", t.at(), err)
		}
		if !found.ok {
			return nil, pos, false, nil
		}
		v, pos, in = found.value, found.pos, found.in
	}
	out, pos, err = t.children(v, pos, in)
	return out, pos, err == nil, err
}

// children transforms the items of an array or the values of an object. It returns any other value unchanged.
func (t *transformer) children(v any, pos value.Position, in scope) (any, value.Position, error) {
	depth := len(t.path)
	defer func() { t.path = t.path[:depth] }()
	switch v := v.(type) {
	case []any:
		items, at := make([]any, 0, len(v)), make([]value.Position, 0, len(v))
		for i := range v {
			t.path = append(t.path[:depth], "["+strconv.Itoa(i)+"]")
			item, from, ok, err := t.apply(v[i], pos.Items[i], in)
			if err != nil {
				return nil, pos, err
			}
			if ok {
				items, at = append(items, item), append(at, from)
			}
		}
		pos.Items = at
		return items, pos, nil
	case *value.Object:
		object := value.NewObject(v.Len())
		for key, item := range v.All() {
			t.path = append(t.path[:depth], "."+key)
			item, from, ok, err := t.apply(item, v.Position(key), in)
			if err != nil {
				return nil, pos, err
			}
			if ok {
				object.SetAt(key, item, from)
			}
		}
		return object, pos, nil
	}
	return v, pos, nil
}
