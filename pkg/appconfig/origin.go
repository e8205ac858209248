package appconfig

import (
	"fmt"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

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

func originOf(p value.Position) Origin {
	o := Origin{Line: int(p.Line), Column: int(p.Column)}
	if p.Source != nil {
		o.Path, o.Variables = p.Source.Path, p.Source.Variables
		if p.Source.Parent != nil {
			includer := originOf(*p.Source.Parent)
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
	root, ok, err := c.GetOptional("")
	if err != nil || !ok {
		return nil, err
	}
	var list []Located
	locateAll(&list, c.prefix, root, value.Position{})
	return list, nil
}

func locateAll(list *[]Located, key string, v any, pos value.Position) {
	switch v := v.(type) {
	case *value.Object:
		for name, item := range v.All() {
			path := name
			if key != "" {
				path = key + "." + name
			}
			locateAll(list, path, item, v.Position(name))
		}
		if v.Len() > 0 {
			return
		}
	case []any:
		for i, item := range v {
			at := value.Position{Source: pos.Source}
			if i < len(pos.Items) {
				at = pos.Items[i]
			}
			locateAll(list, fmt.Sprintf("%s[%d]", key, i), item, at)
		}
		if len(v) > 0 {
			return
		}
	}
	*list = append(*list, Located{key, v, originOf(pos)})
}
