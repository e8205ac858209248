package appconfig

import (
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// merge returns value with what it lacks taken from below, which merge made, and without the nulls within objects.
// What needs no change is shared.
func merge(v, below any) any {
	object, ok := v.(*value.Object)
	if !ok {
		return v
	}
	from, _ := below.(*value.Object)
	if from.Len() == 0 && !hasNull(object) {
		return v
	}
	out := value.NewObject(object.Len() + from.Len())
	for key, item := range object.All() {
		if item != nil {
			under, _ := from.Get(key)
			out.SetAt(key, merge(item, under), object.Position(key))
		}
	}
	for key, item := range from.All() {
		if !object.Has(key) {
			out.SetAt(key, item, from.Position(key))
		}
	}
	return out
}

// hasNull reports whether an object, or one in it, has a null. Those in arrays do not count.
func hasNull(object *value.Object) bool {
	for _, v := range object.All() {
		switch v := v.(type) {
		case nil:
			return true
		case *value.Object:
			if hasNull(v) {
				return true
			}
		}
	}
	return false
}
