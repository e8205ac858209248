package appconfig

import (
	"fmt"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// A Located value is a scalar, or an empty object or array, of the merged configuration.
type Located struct {
	Key    string // the full path, as errors write it: "a.b[0].c"
	Value  any
	Origin value.Position
}

// Located lists all values of the merged configuration with their origins, in the order of Get. It returns the
// same errors as Get.
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
	*list = append(*list, Located{key, v, pos})
}
