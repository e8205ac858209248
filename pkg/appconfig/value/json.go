package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/js"
)

// ErrDepth says that a document is nested too deeply.
var ErrDepth = fmt.Errorf("nested more than %d deep", MaxDepth)

// ParseJSON parses JSON. Objects have their keys in JavaScript's order. If a key is repeated, its last value counts.
func ParseJSON(text []byte) (any, error) {
	value, _, err := ReadJSON(string(text), &Source{})
	return value, err
}

// ReadJSON is ParseJSON for JSON from a source. It also returns the line of each value, except if the source is the
// environment.
func ReadJSON(content string, from *Source) (any, Position, error) {
	text := []byte(content)
	var syntax *json.SyntaxError // the token reader below misses some mistakes
	if err := json.Unmarshal(text, new(json.RawMessage)); errors.As(err, &syntax) {
		before := text[:max(0, min(int(syntax.Offset)-1, len(text)))]
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n')
		return nil, Position{}, &SyntaxError{Path: from.Path, Line: line, Column: column, Problem: syntax.Error()}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	r := jsonReader{decoder: decoder, text: text, from: from, line: 1}
	return r.value(0)
}

type jsonReader struct {
	decoder *json.Decoder
	text    []byte
	from    *Source
	line    int32
	counted int // bytes of text whose line breaks are in line
}

func (r *jsonReader) value(depth int) (any, Position, error) {
	if depth > MaxDepth {
		return nil, Position{}, ErrDepth
	}
	token, err := r.decoder.Token()
	if err != nil {
		return nil, Position{}, err
	}
	pos := Position{Source: r.from}
	if r.from.Path != "" {
		end := int(r.decoder.InputOffset())
		r.line += int32(bytes.Count(r.text[r.counted:end], []byte("\n")))
		r.counted = end
		pos.Line = r.line
	}
	switch token := token.(type) {
	case json.Number:
		number, _ := strconv.ParseFloat(token.String(), 64) // out of range is infinite in JavaScript too
		return number, pos, nil
	case json.Delim:
		object, array := &Object{}, []any{}
		for r.decoder.More() {
			var key json.Token
			if token == '{' {
				key, _ = r.decoder.Token() // has been checked above
			}
			item, at, err := r.value(depth + 1)
			if err != nil {
				return nil, Position{}, err
			}
			if token == '{' {
				object.SetAt(key.(string), item, at)
			} else {
				array, pos.Items = append(array, item), append(pos.Items, at)
			}
		}
		if _, err = r.decoder.Token(); token == '{' {
			return object, pos, err
		}
		return array, pos, err
	}
	return token, pos, nil
}

// MarshalJSON writes the object with its keys in order, as JSON.stringify does: a number that JSON does not have
// becomes null, and HTML is not escaped.
func (o *Object) MarshalJSON() ([]byte, error) { return FormatJSON(o), nil }

// FormatJSON writes a value as JSON.stringify does, in one line.
func FormatJSON(value any) []byte {
	var b bytes.Buffer
	writeJSON(&b, value)
	return b.Bytes()
}

// IndentJSON writes a value as JSON.stringify(value, null, 2) does.
func IndentJSON(value any) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, FormatJSON(value), "", "  "); err != nil {
		return []byte("null") // not a config value
	}
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, value any) {
	switch v := value.(type) {
	case *Object:
		b.WriteByte('{')
		begin := b.Len()
		for key, item := range v.All() {
			if b.Len() > begin {
				b.WriteByte(',')
			}
			writeJSON(b, key)
			b.WriteByte(':')
			writeJSON(b, item)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, item)
		}
		b.WriteByte(']')
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b.WriteString("null")
		} else {
			b.WriteString(js.FormatNumber(v))
		}
	default:
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(value) != nil {
			text.WriteString("null\n") // not a config value
		}
		b.WriteString(lineSeparators.Replace(strings.TrimSuffix(text.String(), "\n")))
	}
}

// lineSeparators undoes the escapes of U+2028 and U+2029, which JSON.stringify does not make. Its first pair skips
// escaped backslashes.
var lineSeparators = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")
