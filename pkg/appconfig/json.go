package appconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// parseJSON returns the value of a JSON text, its keys in order. Of a key that is there twice the later
// value counts.
func parseJSON(content string, from *source) (any, position, error) {
	text := []byte(content)
	var syntax *json.SyntaxError // of the whole: the token reader below lets some mistakes through
	if err := json.Unmarshal(text, new(json.RawMessage)); errors.As(err, &syntax) {
		before := text[:max(0, min(int(syntax.Offset)-1, len(text)))]
		line := bytes.Count(before, []byte("\n")) + 1
		column := len(before) - bytes.LastIndexByte(before, '\n')
		return nil, position{}, &SyntaxError{Path: from.path, Line: line, Column: column, Problem: syntax.Error()}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	r := jsonReader{decoder: decoder, text: text, from: from, line: 1}
	return r.value(0)
}

type jsonReader struct {
	decoder *json.Decoder
	text    []byte
	from    *source
	line    int32
	counted int // bytes of text whose line breaks are in line
}

func (r *jsonReader) value(depth int) (any, position, error) {
	if depth > maxDepth {
		return nil, position{}, errDepth
	}
	token, err := r.decoder.Token()
	if err != nil {
		return nil, position{}, err
	}
	pos := position{from: r.from}
	if !r.from.noLines {
		end := int(r.decoder.InputOffset())
		r.line += int32(bytes.Count(r.text[r.counted:end], []byte("\n")))
		r.counted = end
		pos.line = r.line
	}
	switch token := token.(type) {
	case json.Number:
		number, _ := strconv.ParseFloat(token.String(), 64) // out of range is infinite in JavaScript too
		return number, pos, nil
	case json.Delim:
		if token == '[' {
			array := []any{}
			for r.decoder.More() {
				item, at, err := r.value(depth + 1)
				if err != nil {
					return nil, position{}, err
				}
				array, pos.items = append(array, item), append(pos.items, at)
			}
			_, err = r.decoder.Token()
			return array, pos, err
		}
		object := &Object{}
		for r.decoder.More() {
			key, err := r.decoder.Token()
			if err != nil {
				return nil, position{}, err
			}
			item, at, err := r.value(depth + 1)
			if err != nil {
				return nil, position{}, err
			}
			object.set(key.(string), item, at)
		}
		_, err = r.decoder.Token()
		return object, pos, err
	}
	return token, pos, nil
}
