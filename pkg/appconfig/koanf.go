package appconfig

import (
	"encoding/json"
	"errors"

	"github.com/knadh/koanf/v2"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// koanf brings the sources in and hands the configuration on: each source is a koanf provider and its format a koanf
// parser, loaded into a koanf instance of its own, so that anything koanf has a provider for can be a layer; and Koanf
// returns the merged layers as an instance, for its Unmarshal and for code that takes one.
//
// The reader in between is ours. koanf's getters know neither the order of keys nor a null from a missing value, split a key at
// its dots wherever these come from, cannot tell which layer a value is in, and copy what they return; and plain maps
// of all values would take a third of the time of a load. So a parser gives koanf the sections at the top of a
// document by reference, and keeps the tree they are of.

// A Provider is a further source of configuration: anything that koanf can load.
type Provider struct {
	Name     string         // what errors call the layer
	Provider koanf.Provider // a secrets manager, a key-value store, a map
	Parser   koanf.Parser   // nil where the provider returns maps
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
	return store, store.Load(mapProvider(object.Map()), nil)
}

// mapProvider is a koanf.Provider of a map.
type mapProvider map[string]any

func (p mapProvider) ReadBytes() ([]byte, error)    { return json.Marshal(p) }
func (p mapProvider) Read() (map[string]any, error) { return p, nil }

// load reads and parses a source and returns its tree, nil where the source has no data.
func load(read func() ([]byte, error), parse func(text []byte) (*value.Object, error)) (*value.Object, error) {
	parser := &treeParser{parse: parse}
	err := koanf.New(".").Load(bytesProvider(read), parser)
	return parser.tree, err
}

// layer loads a further source. Its keys come in the order of the alphabet, as a map has none, and its values as JSON
// has them.
func (p Provider) layer() (Layer, error) {
	store := koanf.New(".")
	if err := store.Load(p.Provider, p.Parser); err != nil {
		return Layer{}, err
	}
	return Layer{Name: p.Name, Path: p.Name, Data: value.ReadMap(store.Raw(), &value.Source{Path: p.Name})}, nil
}

// bytesProvider is a koanf.Provider of a text.
type bytesProvider func() ([]byte, error)

func (p bytesProvider) ReadBytes() ([]byte, error) { return p() }

func (bytesProvider) Read() (map[string]any, error) {
	return nil, errors.New("the source is a text: it wants a parser")
}

// treeParser is a koanf.Parser that keeps the tree it makes.
type treeParser struct {
	parse func(text []byte) (*value.Object, error)
	tree  *value.Object
}

// Unmarshal returns the sections at the top of a document.
func (p *treeParser) Unmarshal(text []byte) (map[string]any, error) {
	tree, err := p.parse(text)
	if err != nil || tree == nil {
		return nil, err
	}
	p.tree = tree
	sections := make(map[string]any, tree.Len())
	for key, section := range tree.All() {
		sections[key] = section
	}
	return sections, nil
}

// Marshal writes JSON, which is YAML too.
func (p *treeParser) Marshal(sections map[string]any) ([]byte, error) { return json.Marshal(sections) }
