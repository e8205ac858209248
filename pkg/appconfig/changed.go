package appconfig

import "github.com/understudy-host/understudy/pkg/appconfig/value"

// Changed returns the keys whose merged values differ between two configurations, whatever their layers and the order
// of their keys: those of after in its order, then those that are gone. An array is one value. It never returns values.
func Changed(before, after *Config) []string {
	a, _, _ := before.GetOptional("") // an object, or nothing
	b, _, _ := after.GetOptional("")
	var keys []string
	addChanged(&keys, "", a, b)
	return keys
}

// addChanged adds what differs below key. An object that is new or gone counts with all that is in it.
func addChanged(keys *[]string, key string, before, after any) {
	a, okA := before.(*value.Object)
	b, okB := after.(*value.Object)
	if (okA || before == nil) && (okB || after == nil) && a.Len()+b.Len() > 0 {
		if key != "" {
			key += "."
		}
		for name, v := range b.All() {
			was, _ := a.Get(name)
			addChanged(keys, key+name, was, v)
		}
		for name, was := range a.All() {
			if !b.Has(name) {
				addChanged(keys, key+name, was, nil)
			}
		}
	} else if !value.Equal(before, after) {
		*keys = append(*keys, key)
	}
}
