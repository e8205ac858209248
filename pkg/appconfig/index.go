package appconfig

import (
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// index holds the values of several layers under one key. It makes a read take one step for each part of a key,
// however many layers there are. New makes it.
type index struct {
	value any               // of the topmost layer that has the key
	layer string            // that layer's name
	end   *index            // the topmost value that is not an object; it hides the layers below
	parts map[string]*index // the values in the objects above end, by key
}

func newIndex(v any, layer string) *index {
	x := &index{value: v, layer: layer}
	x.add(v, layer)
	return x
}

// add adds the value of a layer below those that were added before.
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

// find returns the topmost value under a valid key. If there is none, but a value on the way to it is not an object,
// find returns that value, and as rest the part of the key below it.
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
