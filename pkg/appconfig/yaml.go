package appconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"
)

// A SyntaxError says that a document is not YAML.
type SyntaxError struct {
	Path    string // the file or URL; "" where ParseYAML was given just text
	Line    int    // from 1; 0 where the document as a whole is meant
	Column  int    // from 1; 0 where not known
	Problem string
}

func (e *SyntaxError) Error() string {
	text := e.Problem
	if e.Line > 0 {
		text += fmt.Sprintf(" at line %d", e.Line)
		if e.Column > 0 {
			text += fmt.Sprintf(", column %d", e.Column)
		}
	}
	if e.Path != "" {
		text = fmt.Sprintf("Failed to parse %q, %s", e.Path, text)
	}
	return text
}

// ParseYAML returns the value of a YAML document as npm's yaml reads it: YAML 1.2 with the core schema. An
// empty document is nil. It reports a *SyntaxError.
func ParseYAML(text []byte) (any, error) {
	value, _, err := parseYAML(text, &source{})
	return value, err
}

func parseYAML(text []byte, from *source) (any, position, error) {
	var doc yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		return nil, position{}, err
	}
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, position{from: from, line: 1, column: 1}, nil
	} else if err != nil {
		return nil, position{}, syntaxError(err, from)
	}
	var next yaml.Node
	if err := loader.Load(&next); err == nil {
		return nil, position{}, &SyntaxError{from.path, next.Line, next.Column, "Source contains multiple documents"}
	} else if !errors.Is(err, io.EOF) {
		return nil, position{}, syntaxError(err, from)
	}
	c := &constructor{from: from}
	value, pos := c.value(doc.Content[0])
	if c.err != nil {
		return nil, position{}, c.err
	}
	return value, pos, nil
}

func syntaxError(err error, from *source) error {
	var problem *yaml.LoadError
	if errors.As(err, &problem) {
		return &SyntaxError{from.path, problem.Mark.Line, problem.Mark.Column, problem.Message}
	}
	return &SyntaxError{Path: from.path, Problem: err.Error()}
}
