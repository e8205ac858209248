// Package appconfig loads app-config files exactly as Backstage's @backstage/config-loader 1.11 does, and reads them
// as @backstage/config 1.3 does: the same layers, transforms, values, order of keys and error texts.
//
// Load finds the sources (files, URLs, APP_CONFIG_ variables), reads each into a koanf instance of its own and returns
// a Config, which reads the layers key by key. Watch reports a new Config whenever the data of a source changes. A
// Config is an immutable snapshot: to use changed data is to use another Config.
//
// A source goes through these steps, a file each:
//
//	load.go, target.go   which sources there are, and their texts (remote.go: of URLs)
//	yamltext.go          differences in the text between go-yaml, which parses it, and npm's yaml, which is the model
//	yamlscan*.go         what npm's yaml refuses and go-yaml does not
//	yaml.go              parsing, and where errors are
//	construct.go         nodes to values, with npm yaml's core schema (scalar.go, number.go, yamlkey.go)
//	transform.go         ${…}, $env, $file, $include
//	koanf.go             the store
//	reader.go, index.go  the getters, and how they find a value below many layers
//
// Each value knows where it came from (Config.Located), and variables that were not set are known by the keys that
// vanished with them (Config.Unset). testdata/cases holds what the real packages make of more than 600 configurations.
package appconfig

// A Layer is one source's part of a configuration.
type Layer struct {
	Name string  // what errors call it: a file's base name, a URL, or "env"
	Path string  // the file's absolute path or the URL; "" for the environment
	Data *Object // never nil in a loaded configuration

	unset []unsetKey
}

// Config reads a configuration: layers, lowest first, key by key. It is immutable and safe for concurrent
// use. Where a layer above has no value the one below is asked, and objects are merged.
type Config struct {
	data     *Object // nil where there is no layer at all
	layer    string
	prefix   string
	fallback *Config // the layer below
	index    *index  // of all layers; nil where there is but one, and in fallbacks
	layers   []Layer
}

// noLayer is what errors call the layer of a configuration without any.
const noLayer = "mock-config"

// New returns a configuration of the given layers, lowest first.
func New(layers ...Layer) *Config {
	if len(layers) == 0 {
		return &Config{layer: noLayer}
	}
	var config *Config
	for _, layer := range layers {
		if layer.Data == nil {
			layer.Data = &Object{}
		}
		config = &Config{data: layer.Data, layer: layer.Name, fallback: config}
	}
	config.layers = layers
	if len(layers) > 1 {
		config.index = newIndex(config.data, config.layer)
		for below := config.fallback; below != nil; below = below.fallback {
			config.index.add(below.data, below.layer)
		}
	}
	return config
}

// Layers returns the layers, lowest first. A part of a configuration, as GetConfig returns it, has none.
func (c *Config) Layers() []Layer { return c.layers }

// LayerOf returns the name of the topmost layer that has a value under key, "" where none has: for errors about a
// value that is of the right type and wrong all the same.
func (c *Config) LayerOf(key string) string {
	if value, layer, err := c.topmost(key); value != nil && err == nil {
		return layer
	}
	return ""
}
