// Package memo keeps named values over reloads. It is the counterpart of Backstage's useHotMemoize. A value lives as long
// as the process: each generation of a plugin gets the same one. If the store has a Backend, the value also outlives the
// process: the next one goes on with it, and two that run side by side share it.
//
// What is kept is data, in JSON, and not code: no functions, connections or channels, and only exported fields. Code that
// has changed reads what older code has written.
package memo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// ErrChanged is the error of a Save that came too late: another process has saved the value since it was loaded.
var ErrChanged = errors.New("the value has changed meanwhile")

// A Backend keeps values outside of the process. It is safe for concurrent use.
type Backend interface {
	// Load returns a value and its version. Version 0 means that there is none.
	Load(name string) (value []byte, version int64, err error)

	// Save keeps a value in place of the given version, and returns the version that it has from now on. If the version
	// is not the newest, the error is ErrChanged.
	Save(name string, value []byte, version int64) (newest int64, err error)
}

// Store holds the values of one process. Use New, or a nil store: its values are not kept.
type Store struct {
	scope   string
	backend Backend
	report  func(name string, err error)
	values  *values
}

type values struct {
	mu     sync.Mutex
	byName map[string]any // *Value[T]
}

// New returns a store. backend may be nil. report is told of a value that the backend cannot load or save, which is then
// kept in the process alone.
func New(backend Backend, report func(name string, err error)) *Store {
	return &Store{backend: backend, report: report, values: &values{byName: make(map[string]any)}}
}

// Scope returns the part of a store for one owner: its names are its own.
func (s *Store) Scope(owner string) *Store {
	if s == nil {
		return nil
	}
	part := *s
	part.scope = s.scope + owner + "/"
	return &part
}

// Value is a named value. It is safe for concurrent use.
type Value[T any] struct {
	name    string
	backend Backend
	report  func(name string, err error)

	mu      sync.Mutex
	current T
	saved   []byte // current as the backend has it
	version int64
}

// Of returns the value with that name: the one that there is, or a new one that create makes. create must not use the store.
// The error says that the name has been used for another type.
func Of[T any](s *Store, name string, create func() T) (*Value[T], error) {
	if s == nil {
		return &Value[T]{current: create()}, nil
	}
	name = s.scope + name
	s.values.mu.Lock()
	defer s.values.mu.Unlock()
	if known, ok := s.values.byName[name]; ok {
		v, ok := known.(*Value[T])
		if !ok {
			return nil, fmt.Errorf("the kept value %q is a %T, expected a %T", name, known, v)
		}
		return v, nil
	}
	v := &Value[T]{name: name, backend: s.backend, report: s.report}
	if !v.pull() || v.version == 0 {
		v.current = create()
		v.Do(func(*T) {}) // saves it, or takes what another process has saved first
	}
	s.values.byName[name] = v
	return v, nil
}

// Do calls change with the newest value. What change does to it is kept before Do returns. If another process changes the
// value in the same moment, change is called again, so it must depend on nothing but the value. It must not keep the
// pointer, and must not use another value of the same name.
func (v *Value[T]) Do(change func(*T)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.backend == nil {
		change(&v.current)
		return
	}
	for {
		v.pull()
		change(&v.current)
		if v.push() {
			return
		}
	}
}

// pull takes the newest value from the backend, and reports whether it could.
func (v *Value[T]) pull() bool {
	if v.backend == nil {
		return false
	}
	data, version, err := v.backend.Load(v.name)
	if err != nil {
		v.report(v.name, err)
		return false
	}
	if version == v.version || version == 0 {
		v.version = version
		return true
	}
	var next T
	if err := json.Unmarshal(data, &next); err != nil {
		v.report(v.name, fmt.Errorf("it is begun anew, since what older code has kept does not fit: %w", plain(err)))
		v.version, v.saved = version, nil
		return false
	}
	v.current, v.version, v.saved = next, version, data
	return true
}

// push saves the value if it has changed. It fails only if another process was faster.
func (v *Value[T]) push() bool {
	data, err := json.Marshal(v.current)
	if err == nil && bytes.Equal(data, v.saved) && v.version != 0 {
		return true
	}
	var version int64
	if err == nil {
		version, err = v.backend.Save(v.name, data, v.version)
	}
	if errors.Is(err, ErrChanged) {
		return false
	}
	if err != nil {
		v.report(v.name, plain(err))
		return true
	}
	v.version, v.saved = version, data
	return true
}

// plain returns an error of encoding/json without what the value holds: it may be a secret.
func plain(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("field %s is no %s", wrong.Field, wrong.Type)
	}
	return err
}
