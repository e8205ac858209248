package appconfig

import "strings"

// index is what several layers have under a key, put together so that a read takes one step for each part of a key
// however many layers there are. It is made once, with the configuration.
type index struct {
	value any               // of the topmost layer that has one
	layer string            // that layer's name
	end   *index            // the topmost value that is no object; what layers below it have does not count
	parts map[string]*index // what the objects above the end have, by key
}

func newIndex(value any, layer string) *index {
	x := &index{value: value, layer: layer}
	if object, ok := value.(*Object); ok {
		x.addParts(object, layer)
	} else {
		x.end = x
	}
	return x
}

// add adds what a layer has that is below those before it.
func (x *index) add(value any, layer string) {
	if x.end != nil {
		return
	}
	if object, ok := value.(*Object); ok {
		x.addParts(object, layer)
	} else {
		x.end = &index{value: value, layer: layer}
	}
}

func (x *index) addParts(object *Object, layer string) {
	if x.parts == nil {
		x.parts = make(map[string]*index, object.Len())
	}
	for i := range object.entries {
		e := &object.entries[i]
		if part, ok := x.parts[e.key]; ok {
			part.add(e.value, layer)
		} else {
			x.parts[e.key] = newIndex(e.value, layer)
		}
	}
}

// find returns the topmost value under a valid key. Where none is but a value that is no object is on the way, it
// returns that one, and as rest the part of the key that is left.
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
