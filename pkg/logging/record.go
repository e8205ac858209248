package logging

import (
	"encoding/json"
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// record is an entry as the matchers of overrides see it: with all its fields, of which the last of a name counts.
type record struct {
	entry  zapcore.Entry
	fields []zapcore.Field
	sink   *Sink
}

// matches reports whether the entry has a field that a matcher matches.
func (r *record) matches(m matcher) bool {
	v, ok := r.value(m.key)
	return ok && m.matches(v)
}

// value returns the value of a field as JSON has it, and whether there is one.
func (r *record) value(key string) (any, bool) {
	switch {
	case key == "level":
		return r.entry.Level.String(), true
	case key == "message":
		return r.entry.Message, true
	case key == "logger" && r.entry.LoggerName != "":
		return r.entry.LoggerName, true
	case key == "stack" && r.entry.Stack != "":
		return r.entry.Stack, true
	}
	var last *zapcore.Field
	for i := range r.fields {
		if r.fields[i].Type == zapcore.NamespaceType {
			break // what follows is in an object
		}
		if r.fields[i].Key == key && r.fields[i].Type != zapcore.SkipType {
			last = &r.fields[i]
		}
	}
	if last == nil {
		return nil, false
	}
	return r.read(*last)
}

// read returns the value of a field as the line has it. The usual types need no JSON for that.
func (r *record) read(field zapcore.Field) (any, bool) {
	switch field.Type {
	case zapcore.StringType:
		return field.String, true
	case zapcore.BoolType:
		return field.Integer == 1, true
	case zapcore.Int64Type, zapcore.Int32Type, zapcore.Int16Type, zapcore.Int8Type:
		return float64(field.Integer), true
	}
	var v any
	encoded, ok := r.sink.object(field)[field.Key]
	return v, ok && json.Unmarshal(encoded, &v) == nil
}

// object returns what a line has of a field, which may be more than one member. It is nil if that is not JSON.
func (s *Sink) object(field zapcore.Field) (members map[string]json.RawMessage) {
	line, err := s.fields.EncodeEntry(zapcore.Entry{}, []zapcore.Field{field})
	if err != nil {
		return nil
	}
	defer line.Free()
	_ = json.Unmarshal(line.Bytes(), &members)
	return members
}

// frozen returns fields that encode the same whatever becomes of the values that they point to: a logger encodes its
// fields again when the settings change.
func (s *Sink) frozen(fields []zapcore.Field) (list []zapcore.Field) {
	for _, field := range fields {
		switch field.Type {
		case zapcore.ArrayMarshalerType, zapcore.ObjectMarshalerType, zapcore.InlineMarshalerType, zapcore.BinaryType, zapcore.ByteStringType,
			zapcore.ReflectType, zapcore.StringerType, zapcore.ErrorType:
			members := s.object(field)
			for _, key := range slices.Sorted(maps.Keys(members)) {
				list = append(list, zap.Reflect(key, members[key]))
			}
		default:
			list = append(list, field)
		}
	}
	return list
}

// isScalar reports whether a JSON value can be compared.
func isScalar(v any) bool {
	switch v.(type) {
	case nil, bool, float64, string:
		return true
	}
	return false
}
