package appconfig

import (
	"context"
	"fmt"

	"github.com/knadh/koanf/v2"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// What koanf does here: any of its providers can be a layer; yaml.Parser gives its users our YAML; every layer, be it
// of a file, a URL or the variables, is a provider for its users; and Koanf returns the merged configuration, for its
// Unmarshal and for code that takes one.
//
// The layers in between are ours. koanf's getters know neither the order of keys nor a null from a missing value, split
// a key at its dots wherever these come from, cannot tell which layer a value is in, and copy what they return.

// A Provider is a further source of configuration: anything that koanf can load. A provider that has a method Watch, as
// koanf's own do, is read again when it reports a change, and any provider when something else changes.
type Provider struct {
	Name     string         // what errors call the layer
	Provider koanf.Provider // a secrets manager, a key-value store, a map
	Parser   koanf.Parser   // nil if the provider returns maps
}

// load reads the source. Its keys come in the order of the alphabet, as a map has none.
func (p Provider) load() (Layer, error) {
	store := koanf.New(".")
	if err := store.Load(p.Provider, p.Parser); err != nil {
		return Layer{}, &LoadError{p.Name, err, true}
	}
	return Layer{Name: p.Name, Path: p.Name, Data: value.ReadMap(store.Raw(), &value.Source{Path: p.Name})}, nil
}

// watch sends to events whenever the provider reports a change, nil, or that it cannot, until ctx ends. It returns a
// function that ends the provider's own watching.
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

// Koanf returns the merged configuration as a koanf instance of plain maps, for example to unmarshal a part of it into
// a struct. It is a copy, to be made at start-up and not for each read. Its errors do not name layers.
func (c *Config) Koanf() (*koanf.Koanf, error) {
	v, _, err := c.GetOptional("")
	if err != nil {
		return nil, err
	}
	object, _ := v.(*value.Object)
	store := koanf.New(".")
	return store, store.Load(Layer{Data: object}, nil)
}

// Read makes a layer a koanf.Provider, whatever it was read from: k.Load(layer, nil) loads a copy of its values.
func (l Layer) Read() (map[string]any, error) { return l.Data.Map(), nil }

// ReadBytes returns the layer as JSON, for a koanf.Parser of JSON or YAML.
func (l Layer) ReadBytes() ([]byte, error) { return value.FormatJSON(l.Data), nil }
