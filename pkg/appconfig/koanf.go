package appconfig

import (
	"context"
	"fmt"

	"github.com/knadh/koanf/v2"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// koanf is used at both ends: any of its providers can be a layer, every Layer is a provider, yaml.Parser is a parser
// for Backstage's YAML, and Config.Koanf returns the merged configuration as an instance, for its Unmarshal and for
// code that takes one.
//
// The layers in between are ours. koanf's getters do not keep the order of keys, do not distinguish null from a
// missing value, split every key at its dots, do not know the layer of a value, and copy what they return.

// A Provider is a further source of configuration: anything that koanf can load. Providers are read again at each
// reload. If one has a method Watch, as koanf's own have, a change that it reports causes a reload.
type Provider struct {
	Name     string         // of the layer, in errors
	Provider koanf.Provider // a secrets manager, a key-value store, a map
	Parser   koanf.Parser   // nil if the provider returns maps
}

// load reads the source. Its keys are sorted, since a map has no order.
func (p Provider) load() (Layer, error) {
	store := koanf.New(".")
	if err := store.Load(p.Provider, p.Parser); err != nil {
		return Layer{}, &LoadError{p.Name, err, true}
	}
	return Layer{Name: p.Name, Path: p.Name, Data: value.ReadMap(store.Raw(), &value.Source{Path: p.Name})}, nil
}

// watch starts the provider's own watching, if it has any. Until ctx ends, it sends nil to events for each change, or
// the error why changes cannot be reported. stop ends the provider's watching.
func (p Provider) watch(ctx context.Context, events chan<- error) (stop func()) {
	send := func(err error) {
		if err != nil {
			err = fmt.Errorf("%s: %w", p.Name, err)
		}
		select {
		case events <- err:
		case <-ctx.Done():
		}
	}
	watcher, ok := p.Provider.(interface {
		Watch(callback func(event any, err error)) error
	})
	if !ok {
		return func() {}
	}
	if err := watcher.Watch(func(_ any, err error) { go send(err) }); err != nil {
		go send(err)
	}
	return func() {
		if watching, ok := p.Provider.(interface{ Unwatch() error }); ok {
			_ = watching.Unwatch()
		}
	}
}

// Koanf returns the merged configuration as a koanf instance of plain maps, for example to unmarshal a part of it
// into a struct. It is a deep copy: call Koanf once, not for each read. The errors of the instance do not name
// layers.
func (c *Config) Koanf() (*koanf.Koanf, error) {
	v, _, err := c.GetOptional("")
	if err != nil {
		return nil, err
	}
	object, _ := v.(*value.Object)
	store := koanf.New(".")
	return store, store.Load(Layer{Data: object}, nil)
}

// Read implements koanf.Provider: k.Load(layer, nil) loads a copy of the layer's values.
func (l Layer) Read() (map[string]any, error) { return l.Data.Map(), nil }

// ReadBytes returns the layer as JSON, for a koanf.Parser of JSON or YAML.
func (l Layer) ReadBytes() ([]byte, error) { return value.FormatJSON(l.Data), nil }
