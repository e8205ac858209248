// Package yaml reads YAML as npm's yaml does for Backstage: YAML 1.2 with the core schema.
//
// go-yaml parses. This package removes the differences that documents written by people may meet: text.go changes the
// text before it is parsed, and construct.go and scalar.go decide what the nodes mean.
package yaml

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// Parse returns the value of a YAML document. An empty document is nil. Its errors are of type *value.SyntaxError.
func Parse(text []byte) (any, error) {
	made, _, err := Read(js.DecodeUTF8(text), &value.Source{})
	return made, err
}

// Read is Parse for UTF-8 from a source. It also returns the position of the value.
func Read(text string, from *value.Source) (any, value.Position, error) {
	made, pos, err := read(text, from)
	if err == nil {
		return made, pos, nil
	}
	problem := &value.SyntaxError{Path: from.Path, Problem: err.Error()}
	if located, ok := errors.AsType[*yaml.LoadError](err); ok {
		problem.Problem = quiet(located.Message)
		problem.Line, problem.Column = within(text, located.Mark.Line, located.Mark.Column)
		if breaksFlow(text, located) {
			problem.Problem += " (between { } or [ ], a string with ${…} needs quotes)"
		}
	}
	return nil, value.Position{}, problem
}

// quiet returns a message of go-yaml without what it quotes of the document, which may be a secret: one that begins
// with an asterisk and is not in quotes is an alias.
func quiet(message string) string {
	if strings.HasPrefix(message, "unknown anchor ") {
		return "unknown anchor (a string that begins with * needs quotes)"
	}
	return fmt.Sprintf("%.200s", quotation.ReplaceAllString(message, "a value"))
}

// breaksFlow reports whether a problem goes away, or another one follows it, if the braces of ${…} are gone: between braces or brackets,
// those of a string without quotes end it.
func breaksFlow(text string, problem *yaml.LoadError) bool {
	plain := reference.ReplaceAllStringFunc(text, func(found string) string { return strings.Repeat("x", len(found)) })
	if plain == text {
		return false
	}
	_, _, err := read(plain, &value.Source{})
	next, ok := errors.AsType[*yaml.LoadError](err)
	return err == nil || ok && (next.Mark.Line > problem.Mark.Line || next.Mark.Line == problem.Mark.Line && next.Mark.Column > problem.Mark.Column)
}

// reference matches ${…} on one line.
var reference = regexp.MustCompile(`\$\{[^{}\n\r]*\}`)

// quotation matches a value in a message of go-yaml.
var quotation = regexp.MustCompile("(?s)`.*`")

// within returns the position in text that is nearest to line and column: go-yaml reports a problem at the end of a
// document on the line after it. If line is 0, there is no position.
func within(text string, line, column int) (int, int) {
	if line == 0 {
		return 0, 0
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if line > len(lines) {
		line, column = len(lines), len(text)+1
	}
	return line, min(column, utf8.RuneCountInString(strings.TrimSuffix(lines[line-1], "\r"))+1)
}

func read(text string, from *value.Source) (any, value.Position, error) {
	if len(text) > value.MaxFileSize {
		return nil, value.Position{}, fmt.Errorf("larger than %d bytes", value.MaxFileSize)
	}
	doc := prepare(text)
	root, err := compose(doc.text)
	if err != nil && doc.separate() { // which only helps a document that is refused
		if separate, again := compose(doc.text); again == nil {
			root, err = separate, nil
		}
	}
	if err != nil {
		return nil, value.Position{}, err
	}
	return construct(root, doc, from)
}

// compose returns the root node of the only document in a text, or nil for an empty text.
func compose(text string) (*yaml.Node, error) {
	limits := loaderlimits.New(loaderlimits.DepthFunc(func(depth int, _ *yaml.DepthContext) error {
		if depth > value.MaxDepth {
			return value.ErrDepth
		}
		return nil
	}))
	loader, err := yaml.NewLoader(strings.NewReader(text), yaml.WithPlugin(limits))
	if err != nil {
		return nil, err
	}
	var doc, next yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := loader.Load(&next); err == nil {
		return nil, problemAt(&next, "Source contains multiple documents")
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return doc.Content[0], nil
}

// problemAt reports a problem with a node as go-yaml reports its own.
func problemAt(node *yaml.Node, problem string) *yaml.LoadError {
	return &yaml.LoadError{Message: problem, Mark: yaml.Mark{Line: node.Line, Column: node.Column}}
}
