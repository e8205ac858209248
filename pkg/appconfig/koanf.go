package appconfig

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/knadh/koanf/v2"
)

// koanf brings the sources in and hands the configuration on to other code: each source is a koanf provider and its
// format a koanf parser, loaded into a koanf instance of its own, so that anything koanf has a provider for can be a
// layer; and Koanf returns a layer, or all of them merged, as an instance of plain maps.
//
// The reader in between is ours. koanf's getters know neither the order of keys nor a null from a missing value, split
// a key at its dots wherever these come from, cannot tell which layer a value is in, and copy what they return; and
// plain maps of all values would take a third of the time of a load, which hardly any program has a use for. So a
// parser gives koanf the sections at the top of a document by reference, and keeps the tree they are of.

// A Provider is a further source of configuration: anything that koanf can load.
type Provider struct {
	Name     string         // what errors call the layer
	Provider koanf.Provider // a secrets manager, a key-value store, a map
	Parser   koanf.Parser   // nil where the provider returns maps
}

// Koanf returns the merged configuration as a koanf instance of plain maps, to unmarshal it into structs or to
// hand it to code that takes a koanf instance. It is a copy, to be made at start-up and not for each read.
func (c *Config) Koanf() (*koanf.Koanf, error) {
	value, _, err := c.GetOptional("")
	if err != nil {
		return nil, err
	}
	object, _ := value.(*Object)
	return object.koanf()
}

// Koanf returns the layer alone as a koanf instance of plain maps, a copy.
func (l Layer) Koanf() (*koanf.Koanf, error) { return l.Data.koanf() }

func (o *Object) koanf() (*koanf.Koanf, error) {
	store := koanf.New(".")
	return store, store.Load(mapProvider(o.plain()), nil)
}

// load reads and parses a source and returns its tree, nil where the source has no data.
func load(read func() ([]byte, error), parse func(text []byte) (*Object, error)) (*Object, error) {
	parser := &treeParser{parse: parse}
	err := koanf.New(".").Load(bytesProvider(read), parser)
	return parser.tree, err
}

// layer loads a further source. Its keys come in the order of the alphabet, as a map has none.
func (p Provider) layer() (Layer, error) {
	store := koanf.New(".")
	if err := store.Load(p.Provider, p.Parser); err != nil {
		return Layer{}, err
	}
	data, _ := fromPlain(store.Raw(), &source{path: p.Name})
	return Layer{Name: p.Name, Path: p.Name, Data: data.(*Object)}, nil
}

// bytesProvider is a koanf.Provider of a text.
type bytesProvider func() ([]byte, error)

func (p bytesProvider) ReadBytes() ([]byte, error) { return p() }

func (bytesProvider) Read() (map[string]any, error) {
	return nil, errors.New("the source is a text: it wants a parser")
}

// mapProvider is a koanf.Provider of a map.
type mapProvider map[string]any

func (p mapProvider) ReadBytes() ([]byte, error)    { return json.Marshal(p) }
func (p mapProvider) Read() (map[string]any, error) { return p, nil }

// treeParser is a koanf.Parser that keeps the tree it makes.
type treeParser struct {
	parse func(text []byte) (*Object, error)
	tree  *Object
}

// Unmarshal returns the sections at the top of a document.
func (p *treeParser) Unmarshal(text []byte) (map[string]any, error) {
	tree, err := p.parse(text)
	if err != nil || tree == nil {
		return nil, err
	}
	p.tree = tree
	sections := make(map[string]any, tree.Len())
	for i := range tree.entries {
		sections[tree.entries[i].key] = tree.entries[i].value
	}
	return sections, nil
}

// Marshal writes JSON, which is YAML too.
func (p *treeParser) Marshal(sections map[string]any) ([]byte, error) { return json.Marshal(sections) }

// plain returns an object as maps, slices and scalars.
func (o *Object) plain() map[string]any {
	out := make(map[string]any, o.Len())
	if o != nil {
		for i := range o.entries {
			out[o.entries[i].key] = plain(o.entries[i].value)
		}
	}
	return out
}

func plain(value any) any {
	switch v := value.(type) {
	case *Object:
		return v.plain()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	}
	return value
}

// fromPlain makes a config value of what koanf holds.
func fromPlain(value any, from *source) (any, position) {
	pos := position{from: from}
	switch v := value.(type) {
	case nil, bool, float64, string:
		return v, pos
	case map[string]any:
		object := &Object{}
		for _, key := range sortedKeys(v) {
			item, at := fromPlain(v[key], from)
			object.set(key, item, at)
		}
		return object, pos
	case []any:
		array := make([]any, len(v))
		pos.items = make([]position, len(v))
		for i := range v {
			array[i], pos.items[i] = fromPlain(v[i], from)
		}
		return array, pos
	}
	// Integers, durations and the like become what they are in JSON.
	text, err := json.Marshal(value)
	if err != nil {
		return nil, pos
	}
	parsed, pos, err := parseJSON(string(text), from)
	if err != nil {
		return nil, pos
	}
	return parsed, pos
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
