package appconfig

import (
	"errors"
	"sync/atomic"
)

// Live is a configuration that may change, or a part of one: what config-loader's toConfig gives to the code of
// a Backstage backend. A part is picked without a look; whether it is there, and is an object, is asked anew with
// each read, of the snapshot that is in use by then. It is safe for concurrent use.
//
// Plugins need none: the host hands them a snapshot, and sets them up again when their part of it changes.
type Live struct {
	current *atomic.Pointer[Config]
	parent  *Live // nil for the whole
	key     string
}

// NewLive returns a live configuration that begins with the given snapshot.
func NewLive(snapshot *Config) *Live {
	l := &Live{current: new(atomic.Pointer[Config])}
	l.Set(snapshot)
	return l
}

// Set puts another snapshot into use, for l and all parts picked from it.
func (l *Live) Set(snapshot *Config) { l.current.Store(snapshot) }

// Part picks the part under key, which may not be empty, whether or not there is one.
func (l *Live) Part(key string) (*Live, error) {
	if key == "" {
		return nil, errors.New("parentKey is required if parent is set") // Backstage's words
	}
	return &Live{current: l.current, parent: l, key: key}, nil
}

// Required returns the part as it is now. Where it is missing, the error names the part, and not what was to be
// read from it, as in Backstage.
func (l *Live) Required() (*Config, error) {
	if l.parent == nil {
		return l.current.Load(), nil
	}
	above, err := l.parent.Required()
	if err != nil {
		return nil, err
	}
	return above.GetConfig(l.key)
}

// Optional is Required for a part that may be missing.
func (l *Live) Optional() (config *Config, ok bool, err error) {
	if l.parent == nil {
		return l.current.Load(), true, nil
	}
	above, ok, err := l.parent.Optional()
	if err != nil || !ok {
		return nil, false, err
	}
	return above.GetOptionalConfig(l.key)
}
