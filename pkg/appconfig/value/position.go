package value

import (
	"fmt"
	"strings"
)

// A Position is where a value came from. It is kept beside the value.
type Position struct {
	Source       *Source
	Line, Column int32      // from 1; 0 if not known
	Items        []Position // of the items of an array
}

// String writes a position as "file:line ($VARIABLE), included at file:line".
func (p Position) String() string {
	if p.Source == nil {
		return ""
	}
	text, names := p.Source.Path, p.Source.Variables
	if p.Line > 0 {
		text += fmt.Sprintf(":%d", p.Line)
	}
	if text == "" {
		text = strings.Join(names, ", ")
	} else if len(names) > 0 {
		text += " ($" + strings.Join(names, ", $") + ")"
	}
	if p.Source.Parent != nil {
		text += ", included at " + p.Source.Parent.String()
	}
	return text
}

// A Source is what values are read from: a file, a URL, a variable.
type Source struct {
	Path      string    // the file or URL; "" for the environment
	Variables []string  // the variables that the value was made with
	Parent    *Position // the $include or $file that brought it in
}

// A SyntaxError says that a document is not valid YAML or JSON.
type SyntaxError struct {
	Path    string // the file or URL; "" if the parser was given no source
	Line    int    // from 1; 0 if the problem has no position
	Column  int    // from 1, in characters; 0 if not known
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
