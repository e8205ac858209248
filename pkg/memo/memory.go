package memo

import (
	"bytes"
	"fmt"
	"sync"
)

// Limits of a Memory.
const (
	MaxValue  = 4 << 20 // bytes
	maxValues = 1000
)

// Memory is a Backend that keeps the values in memory, for processes that come and go while this one lives. The zero value
// is ready to use.
type Memory struct {
	mu     sync.Mutex
	values map[string]version
}

type version struct {
	number int64
	value  []byte
}

// Load implements Backend.
func (m *Memory) Load(name string) (value []byte, number int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.values[name]
	return v.value, v.number, nil
}

// Save implements Backend. It refuses values of more than MaxValue bytes, and more than a thousand of them.
func (m *Memory) Save(name string, value []byte, number int64) (newest int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.values[name]
	switch {
	case known.number != number:
		return 0, ErrChanged
	case len(value) > MaxValue:
		return 0, fmt.Errorf("it has %d bytes, expected at most %d", len(value), MaxValue)
	case number == 0 && len(m.values) >= maxValues:
		return 0, fmt.Errorf("there are %d values already", maxValues)
	}
	if m.values == nil {
		m.values = make(map[string]version)
	}
	m.values[name] = version{number + 1, bytes.Clone(value)}
	return number + 1, nil
}
