package appconfig

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// strict reports what npm's yaml refuses and go-yaml lets pass: tabs that indent the continuation of a flow
// collection or of a quoted text, and implicit keys of more than 1024 characters. Hardly any document has lines
// that may be such, so hardly any is looked at.
func (d *document) strict(root *yaml.Node) *SyntaxError {
	suspect := false
	for line := range strings.SplitSeq(d.text, "\n") {
		suspect = suspect || len(line) > maxKey || strings.HasPrefix(strings.TrimLeft(line, " "), "\t")
	}
	if !suspect || root == nil {
		return nil
	}
	s := strictness{lines: strings.Split(d.text, "\n")}
	s.check(root, nil, 0)
	return s.err
}

// maxKey is how far a colon may be from the beginning of its implicit key, in UTF-16 units.
const maxKey = 1024

type strictness struct {
	lines []string
	err   *SyntaxError
}

func (s *strictness) fail(line int, problem string) {
	if s.err == nil || line < s.err.Line {
		s.err = &SyntaxError{Line: line, Problem: problem}
	}
}

// check looks at a node that is inside the flow collection flow, or inside none, where lines that go on must be
// indented by that many blanks.
func (s *strictness) check(node, flow *yaml.Node, indent int) {
	if node.Kind == yaml.AliasNode {
		return
	}
	if line := s.lines[node.Line-1]; flow != nil && node.Line > flow.Line {
		if blank := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; tabBefore(blank, indent) {
			s.fail(node.Line, "Tabs are not allowed as indentation")
		}
	}
	if node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		s.checkQuoted(node, indent)
	}
	switch {
	case node.Kind == yaml.ScalarNode:
		return
	case node.Style&yaml.FlowStyle == 0:
		indent = node.Column
	case flow == nil:
		flow = node
	}
	implicit := node.Kind == yaml.MappingNode && !strings.HasPrefix(s.from(node), "{")
	for i, child := range node.Content {
		if implicit && i%2 == 0 {
			s.checkKey(child)
		}
		s.check(child, flow, indent)
	}
}

// tabBefore tells whether what a line begins with has a tab where there should be indent blanks.
func tabBefore(blank string, indent int) bool {
	tab := strings.IndexByte(blank, '\t')
	return tab >= 0 && tab < indent
}

// from returns the text of a node's line from the node on.
func (s *strictness) from(node *yaml.Node) string {
	line := s.lines[node.Line-1]
	return line[len(prefix(line, node.Column-1)):]
}

// quote returns the rest of a node's text from its opening quote on, past tags and anchors.
func (s *strictness) quote(node *yaml.Node) (text string, mark byte) {
	mark = '"'
	if node.Style&yaml.SingleQuotedStyle != 0 {
		mark = '\''
	}
	text = s.from(node) + "\n" + strings.Join(s.lines[node.Line:], "\n")
	return text[max(0, strings.IndexByte(text, mark)):], mark
}

// quotedSize returns how long the quoted text at the beginning of text is.
func quotedSize(text string, mark byte) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && mark == '"', text[i] == mark && strings.HasPrefix(text[i+1:], "'") && mark == '\'':
			i++
		case text[i] == mark:
			return i + 1
		}
	}
	return len(text)
}

func (s *strictness) checkQuoted(node *yaml.Node, indent int) {
	text, mark := s.quote(node)
	for i, line := range strings.Split(text[:quotedSize(text, mark)], "\n") {
		if i > 0 && tabBefore(line[:len(line)-len(strings.TrimLeft(line, " \t"))], indent) {
			s.fail(node.Line+i-1, "Missing closing "+string(mark)+"quote")
		}
	}
}

func (s *strictness) checkKey(key *yaml.Node) {
	text := s.from(key)
	switch {
	case len(text) <= maxKey || key.Kind != yaml.ScalarNode || strings.HasPrefix(strings.TrimLeft(text, " "), "? "):
		return
	case key.Style&quoted != 0:
		all, mark := s.quote(key)
		text = all[:quotedSize(all, mark)]
	default:
		text = key.Value
	}
	units := 0
	for _, r := range text {
		units++
		if r > 0xffff {
			units++
		}
	}
	if units > maxKey {
		s.fail(key.Line, "The : indicator must be at most 1024 chars after the start of an implicit key")
	}
}
