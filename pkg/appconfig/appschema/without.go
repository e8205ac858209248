package appschema

import (
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// without returns a source without the properties that another schema declares: the other one alone says what these mean. Nothing may be
// left.
func without(source schema.Source, declared any) (schema.Source, bool) {
	v, err := value.ParseJSON(source.Value)
	object, ok := v.(*value.Object)
	other, _ := declared.(*value.Object)
	if err != nil || !ok {
		return source, false
	}
	left := undeclaredIn(object, other)
	if left == nil {
		return source, false
	}
	if definitions, ok := object.Get("definitions"); ok {
		left.Set("definitions", definitions)
	}
	source.Value = value.FormatJSON(left)
	return source, true
}

// undeclaredIn returns the properties of a schema that another one does not declare, nil if there are none. Of an object in both, only
// what they say about its properties counts.
func undeclaredIn(object, other *value.Object) *value.Object {
	properties, left := inner(object, "properties"), &value.Object{}
	theirs := inner(other, "properties")
	for name, v := range properties.All() {
		their, declared := theirs.Get(name)
		if !declared {
			left.Set(name, v)
			continue
		}
		one, _ := v.(*value.Object)
		two, _ := their.(*value.Object)
		if some := undeclaredIn(one, two); inner(two, "properties").Len() > 0 && some != nil {
			left.Set(name, some)
		}
	}
	if left.Len() == 0 {
		return nil
	}
	out := &value.Object{}
	out.Set("type", "object")
	out.Set("properties", left)
	return out
}

// inner returns the object under a key of another one, nil if there is none.
func inner(object *value.Object, key string) *value.Object {
	v, _ := object.Get(key)
	found, _ := v.(*value.Object)
	return found
}
