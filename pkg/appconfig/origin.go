package appconfig

import (
	"fmt"
	"strings"
)

// position is where a value came from, kept beside it. Items of an array have positions of their own.
type position struct {
	from         *source
	line, column int32
	items        []position
}

// source is what values are read from: a file, a URL, a variable.
type source struct {
	path      string    // the file or URL; "" for the environment
	noLines   bool      // it is no text with lines
	variables []string  // the variables that went into the text
	parent    *position // the $include or $file that brought it in
}

// An Origin tells where a value came from.
type Origin struct {
	Path      string   // the file or URL that the text is in; "" for the environment
	Line      int      // from 1; 0 where there is none
	Column    int      // from 1; 0 where not known
	Variables []string // the environment variables that went into the text, or the APP_CONFIG_ variable
	Includer  *Origin  // the $include or $file that brought the file in; nil for a file that is a layer
}

// String writes an origin as "file:line ($VARIABLE), included at file:line".
func (o Origin) String() string {
	text := o.Path
	if o.Line > 0 {
		text += fmt.Sprintf(":%d", o.Line)
	}
	if names := strings.Join(o.Variables, ", "); text == "" {
		text = names
	} else if names != "" {
		text += " ($" + strings.Join(o.Variables, ", $") + ")"
	}
	if o.Includer != nil {
		text += ", included at " + o.Includer.String()
	}
	return text
}

func (p position) origin() Origin {
	o := Origin{Line: int(p.line), Column: int(p.column)}
	if p.from != nil {
		o.Path, o.Variables = p.from.path, p.from.variables
		if p.from.parent != nil {
			includer := p.from.parent.origin()
			o.Includer = &includer
		}
	}
	return o
}

// A Located value is a scalar, or an empty object or array, of the merged configuration.
type Located struct {
	Key    string // the full path, as errors write it: "a.b[0].c"
	Value  any
	Origin Origin
}

// Located lists all values of the merged configuration with their origins, in the order of Get. It returns the
// error that Get would.
func (c *Config) Located() ([]Located, error) {
	value, ok, err := c.GetOptional("")
	if err != nil || !ok {
		return nil, err
	}
	var list []Located
	locateAll(&list, c.prefix, value, position{})
	return list, nil
}

func locateAll(list *[]Located, key string, value any, pos position) {
	switch v := value.(type) {
	case *Object:
		for _, path := range v.Keys() {
			e := v.entries[v.find(path)]
			if key != "" {
				path = key + "." + path
			}
			locateAll(list, path, e.value, e.pos)
		}
		if v.Len() > 0 {
			return
		}
	case []any:
		for i, item := range v {
			var at position
			if i < len(pos.items) {
				at = pos.items[i]
			}
			locateAll(list, fmt.Sprintf("%s[%d]", key, i), item, at)
		}
		if len(v) > 0 {
			return
		}
	}
	*list = append(*list, Located{key, value, pos.origin()})
}

// An Unset variable is one that the configuration asks for, without a default, and that is not set.
type Unset struct {
	Name string
	Keys []string // what is missing from the configuration because of it
}

// Unset lists the variables that were not set and the keys that vanished with them, in the order of the layers.
// A key that another layer has a value for has not vanished. Programs warn of them at their start.
func (c *Config) Unset() (list []Unset) {
	places := map[string]int{}
	for i, layer := range c.layers {
		for _, missing := range layer.unset {
			if c.isThere(missing.key, i) {
				continue
			}
			for _, name := range missing.variables {
				place, ok := places[name]
				if !ok {
					place = len(list)
					places[name] = place
					list = append(list, Unset{Name: name})
				}
				list[place].Keys = append(list[place].Keys, missing.key)
			}
		}
	}
	return list
}

// isThere tells whether a key that vanished from a layer has a value all the same. Of an array the layers above
// decide, as arrays are not merged.
func (c *Config) isThere(key string, layer int) bool {
	array, _, inArray := strings.Cut(key, "[")
	if !inArray {
		there, err := c.Has(key)
		return there && err == nil
	}
	for _, above := range c.layers[layer+1:] {
		if _, found, err := (&Config{data: above.Data}).value(array); found && err == nil {
			return true
		}
	}
	return false
}
