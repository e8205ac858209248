// Package appconfig loads app-config files exactly as Backstage's @backstage/config-loader 1.11 does, and reads them
// as @backstage/config 1.3 does: the same layers, transforms, values, order of keys and error texts.
//
// Load finds the sources (files, URLs, koanf providers, APP_CONFIG_ variables), makes a layer of each and returns a
// Config, which reads the layers key by key. Watch reports a new Config whenever the data of a source changes. A Config
// is an immutable snapshot: to use changed data, use the new Config.
//
// A source goes through these steps:
//
//	targets.go, url.go    which files and URLs there are
//	files.go, remote.go   reading them
//	yaml, value           documents to values
//	transform.go          a walk through a document (substitute.go: ${…}; include.go: $env, $file, $include)
//	env.go                the environment: variables for ${…}, and the layer of the APP_CONFIG_ variables
//	reader.go             the getters (lookup.go, index.go: how they find a value below many layers)
//
// koanf.go reads koanf's providers and returns koanf instances.
//
// Config.Located says where each value came from. Config.Unset lists the variables that are not set, with the keys that
// are left out because of them. testdata/cases has what the real packages make of more than 700 configurations.
package appconfig

import "github.com/understudy-host/understudy/pkg/appconfig/value"

// A Layer is one source's part of a configuration.
type Layer struct {
	Name string        // what errors call it: a file's base name, a URL, or "env"
	Path string        // the file's absolute path or the URL; "" for the environment
	Data *value.Object // never nil in a loaded configuration

	unset []unsetKey
}

// Config reads a configuration: layers, lowest first, key by key. It is immutable and safe for concurrent use. If a
// layer has no value, the layer below is read. Objects are merged.
type Config struct {
	data     *value.Object // nil if there are no layers
	layer    string
	prefix   string
	fallback *Config // the layer below
	index    *index  // of all layers; nil in fallbacks
	layers   []Layer
}

// noLayer is the name in errors if a configuration has no layers.
const noLayer = "mock-config"

// New returns a configuration of the given layers, lowest first.
func New(layers ...Layer) *Config {
	if len(layers) == 0 {
		return &Config{layer: noLayer, index: &index{}}
	}
	var config *Config
	for _, layer := range layers {
		if layer.Data == nil {
			layer.Data = &value.Object{}
		}
		config = &Config{data: layer.Data, layer: layer.Name, fallback: config}
	}
	config.layers = layers
	config.index = newIndex(config.data, config.layer)
	for below := config.fallback; below != nil; below = below.fallback {
		config.index.add(below.data, below.layer)
	}
	return config
}

// Layers returns the layers, lowest first. The result of GetConfig has none.
func (c *Config) Layers() []Layer { return c.layers }

// LayerOf returns the name of the topmost layer that has a value under key, or "". It is for errors about a value
// that has the right type but is wrong.
func (c *Config) LayerOf(key string) string {
	if v, layer, err := c.topmost(key); v != nil && err == nil {
		return layer
	}
	return ""
}
