package appconfig

import (
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// index is what several layers have under a key, put together so that a read takes one step for each part of a key
// however many layers there are. It is made once, with the configuration.
type index struct {
	value any               // of the topmost layer that has one
	layer string            // that layer's name
	end   *index            // the topmost value that is no object; what layers below it have does not count
	parts map[string]*index // what the objects above the end have, by key
}

func newIndex(v any, layer string) *index {
	x := &index{value: v, layer: layer}
	x.add(v, layer)
	return x
}

// add adds what a layer has that is below those before it.
func (x *index) add(v any, layer string) {
	if x.end != nil {
		return
	}
	if object, ok := v.(*value.Object); ok {
		x.addParts(object, layer)
	} else {
		x.end = &index{value: v, layer: layer}
	}
}

func (x *index) addParts(object *value.Object, layer string) {
	if x.parts == nil {
		x.parts = make(map[string]*index, object.Len())
	}
	for key, v := range object.All() {
		if part, ok := x.parts[key]; ok {
			part.add(v, layer)
		} else {
			x.parts[key] = newIndex(v, layer)
		}
	}
}

// find returns the topmost value under a valid key. If there is none, but a value on the way that is no object, it
// returns that one, and the part of the key that is left as rest.
func (x *index) find(key string) (found *index, rest string) {
	var end *index
	below := ""
	for key != "" {
		if x.end != nil {
			end, below = x.end, key
		}
		part, tail, _ := strings.Cut(key, ".")
		if x = x.parts[part]; x == nil {
			return end, below
		}
		key = tail
	}
	return x, ""
}
