package appschema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/known"
	"github.com/understudy-host/understudy/pkg/appconfig/schema"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// Strict returns what is wrong with a configuration, undeclared keys among it. frontend asks for what the frontend may see alone. Without
// the schemas of the whole app, others are keys that nobody here knows: of other plugins, as far as can be told.
func (a *App) Strict(config *appconfig.Config, frontend bool) (wrong, others []string, err error) {
	o := schema.Options{Visibility: schema.Visibilities()}
	if frontend {
		o.Visibility = []string{"frontend"}
	}
	checks := []*schema.Schema{a.all}
	if a.theirs != nil {
		strict, err := schema.CompileStrict(a.sources...)
		if err != nil {
			return nil, nil, err
		}
		checks = []*schema.Schema{strict, a.own} // what the app allows may yet be wrong here
	}
	var keys []string
	for _, s := range checks {
		_, err := s.Process(config, o)
		invalid, ok := errors.AsType[*schema.ValidationError](err)
		if err != nil && !ok {
			return nil, nil, err
		}
		if ok {
			said := keys
			for i, message := range invalid.Messages {
				if !slices.Contains(said, invalid.Keys[i]) {
					wrong, keys = append(wrong, message), append(keys, invalid.Keys[i])
				}
			}
		}
	}
	if a.theirs != nil || frontend {
		return wrong, nil, nil
	}
	unknown, err := a.unknown(config)
	for _, u := range unknown {
		message := fmt.Sprintf("Config must NOT have additional properties { additionalProperty=%s } at %s", u.Names[len(u.Names)-1], u.At)
		if near := nearest(u.Names[len(u.Names)-1], u.Known); near != "" {
			wrong = append(wrong, message, "  did you mean '"+near+"'?")
		} else if u.Names[0] == ownKey {
			wrong = append(wrong, message)
		} else if key := strings.Join(u.Names, "."); !slices.Contains(others, key) {
			others = append(others, key)
		}
	}
	return wrong, others, err
}

// unknown returns the keys that neither a schema declares nor package known knows.
func (a *App) unknown(config *appconfig.Config) (list []schema.Undeclared, err error) {
	undeclared, err := a.all.Undeclared(config)
	for _, u := range undeclared {
		around := a.keys
		for _, name := range u.Names[:len(u.Names)-1] {
			if around = around.Below(name); around == nil {
				break
			}
		}
		if !u.Open {
			list = strange(list, u, around)
		} else if around != nil {
			if key := around.Below(u.Names[len(u.Names)-1]); key != nil {
				list = append(list, mistyped(strangeIn(nil, u.Value, key, u.Names, u.At))...) // all others are declared
			}
		}
	}
	return list, err
}

// mistyped returns the keys that are like one that is known.
func mistyped(list []schema.Undeclared) []schema.Undeclared {
	return slices.DeleteFunc(list, func(u schema.Undeclared) bool { return nearest(u.Names[len(u.Names)-1], u.Known) == "" })
}

// strange adds to list what is not known of an undeclared key, and of what is in it. around is the key around it, nil if that is not
// known.
func strange(list []schema.Undeclared, u schema.Undeclared, around *known.Key) []schema.Undeclared {
	if around == nil {
		return append(list, u)
	}
	name := u.Names[len(u.Names)-1]
	key := around.Below(name)
	if key == nil {
		u.Known = append(u.Known, around.Names()...)
		return append(list, u)
	}
	return strangeIn(list, u.Value, key, u.Names, u.At+"/"+name)
}

func strangeIn(list []schema.Undeclared, v any, key *known.Key, names []string, at string) []schema.Undeclared {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			list = strangeIn(list, item, key, names, fmt.Sprint(at, "/", i))
		}
	case *value.Object:
		for name, item := range v.All() {
			u := schema.Undeclared{Names: append(slices.Clip(names), name), At: at, Value: item}
			list = strange(list, u, key)
		}
	}
	return list
}
