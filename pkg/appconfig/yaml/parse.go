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

// Parse returns the value of a YAML document as npm's yaml reads it: YAML 1.2 with the core schema. An empty
// document is nil. It reports a *value.SyntaxError.
func Parse(text []byte) (any, error) {
	made, _, err := Read(js.DecodeUTF8(text), &value.Source{})
	return made, err
}

// Read is Parse for a text that is from a source and UTF-8. It knows where each value is from.
func Read(text string, from *value.Source) (any, value.Position, error) {
	if len(text) > value.MaxFileSize {
		return nil, value.Position{}, &value.SyntaxError{Path: from.Path, Problem: fmt.Sprintf("larger than %d bytes", value.MaxFileSize)}
	}
	doc, problem := prepare(text)
	if problem == nil {
		var end int
		problem, end = doc.scan()
		doc.unend(problem)
		root, err := compose(doc.text[:end])
		if err != nil {
			problem = doc.locate(err, problem)
		} else {
			made, pos, other := doc.construct(root, from)
			if problem == nil && other == nil {
				return made, pos, nil
			}
			if problem == nil || other != nil && !other.Late && other.Line < problem.Line {
				problem = other
			}
		}
	}
	problem.Path = from.Path
	return nil, value.Position{}, problem
}

// compose returns the root node of the only document in a text, nil if there is none.
func compose(text string) (*yaml.Node, error) {
	limits := loaderlimits.New(loaderlimits.DepthFunc(func(depth int, _ *yaml.DepthContext) error {
		if depth > value.MaxDepth {
			return fmt.Errorf("nested more than %d deep", value.MaxDepth)
		}
		return nil
	}))
	loader, err := yaml.NewLoader(strings.NewReader(text), yaml.WithPlugin(limits, aliasPolicy{}))
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
		return nil, &value.SyntaxError{Line: next.Line, Column: next.Column, Problem: "Source contains multiple documents"}
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return doc.Content[0], nil
}

// aliasPolicy is go-yaml's own, but for aliases of unknown anchors: those are left to the constructor, as npm's
// yaml tells about them only when there is nothing else to complain about.
type aliasPolicy struct{}

func (aliasPolicy) NewAliasDataContext(yaml.AliasDataServices) (yaml.AliasDataContext, error) {
	return &aliasContext{}, nil
}

type aliasContext struct{ nodes map[string]*yaml.Node }

func (a *aliasContext) BeginDocument() error { a.nodes = map[string]*yaml.Node{}; return nil }
func (a *aliasContext) EndDocument() error   { return nil }

func (a *aliasContext) DefineAnchor(name string, node *yaml.Node) error {
	a.nodes[name] = node
	return nil
}

func (a *aliasContext) ResolveAlias(name string) (*yaml.Node, bool, error) {
	if node := a.nodes[name]; node != nil {
		return node, true, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, true, nil
}

// locate turns go-yaml's error into a SyntaxError at the line that npm's yaml names: where the offending thing
// begins, while go-yaml tells where it noticed. It is the scanner's problem if that is earlier.
func (d *document) locate(err error, earlier *value.SyntaxError) *value.SyntaxError {
	var at *value.SyntaxError
	var problem *yaml.LoadError
	switch {
	case errors.As(err, &at):
		return at
	case !errors.As(err, &problem) || problem.Mark.Line == 0: // it is of no line
		return &value.SyntaxError{Problem: err.Error()}
	}
	at = &value.SyntaxError{Line: problem.Mark.Line, Column: problem.Mark.Column, Problem: problem.Message}
	lines := strings.SplitAfter(d.text, "\n")
	switch {
	case strings.HasPrefix(at.Problem, "could not find expected ':'") && problem.ContextMark.Line > 0:
		at.Line, at.Column = problem.ContextMark.Line, problem.ContextMark.Column
		// Where the properties of a key are in a line of their own, npm's yaml names the line of the key.
		rest := strings.Join(lines[at.Line-1:], "")
		rest = rest[len(prefix(rest, at.Column-1)):]
		if before := properties.FindString(rest); !strings.HasPrefix(rest[len(before):], "- ") {
			at.Line += strings.Count(rest[:min(len(before), len(rest)-1)], "\n")
		}
		place(at, lines)
	case strings.HasPrefix(at.Problem, "did not find expected "):
		place(at, lines)
	case strings.HasPrefix(at.Problem, "mapping values are not allowed"):
		// The key may be a text of several lines; parsed without the colon it tells where it begins.
		root, err := compose(before(lines, at.Line) + prefix(lines[at.Line-1], at.Column-1))
		if err != nil {
			return d.locate(err, earlier)
		} else if root != nil {
			last := lastNode(root)
			at.Line, at.Column = last.Line, last.Column
		}
	}
	unclosed := strings.HasPrefix(at.Problem, "found unexpected") // go-yaml looks no further than the next marker
	isBlock := earlier != nil && strings.HasPrefix(earlier.Problem, "Block scalar lines") && earlier.Line <= problem.Mark.Line
	if earlier != nil && (earlier.Line <= at.Line || unclosed || isBlock) {
		at = earlier
	} else {
		d.unend(at)
	}
	// What comes before may have a problem of another kind, which go-yaml does not look for. It is tried where it can
	// be parsed by itself, up to the first key of a line.
	for line, tries := min(at.Line, len(lines)), 10; line > 0 && tries > 0; line, tries = line-1, tries-1 {
		key, _, _ := strings.Cut(strings.TrimRight(lines[line-1], "\r\n")+" ", ": ")
		root, err := compose(before(lines, line) + key + ":")
		if err != nil {
			root, err = compose(before(lines, line))
		}
		var other *value.SyntaxError
		var sooner *yaml.LoadError
		if err == nil {
			_, _, other = d.construct(root, &value.Source{})
		} else if errors.As(err, &sooner) && sooner.Mark.Line > 0 && sooner.Mark.Line < min(line, problem.Mark.Line) {
			if next, column := behindProperties(lines, sooner.Mark.Line); next < min(line, problem.Mark.Line) || column == 0 {
				other = d.locate(err, nil) // go-yaml reads some lines ahead
			}
		} else {
			continue
		}
		if other != nil && !other.Late && other.Line < at.Line {
			return other
		}
		break
	}
	return at
}

// unend moves a problem at the end of the text to where that was before a line end was added.
func (d *document) unend(problem *value.SyntaxError) {
	if problem == nil || !d.ended {
		return
	}
	if lines := strings.SplitAfter(d.text, "\n"); problem.Line >= len(lines) {
		problem.Line = len(lines) - 1
		problem.Column = utf8.RuneCountInString(lines[problem.Line-1])
	}
}

// before returns the text in front of a line.
func before(lines []string, line int) string {
	return strings.Join(lines[:min(line-1, len(lines))], "")
}

// place moves a problem in front of a line to where npm's yaml has it: in line with the keys of a mapping it stays, and
// else it is where the value before it ends, line break included. A value that is missing ends with its indicator, or
// with the comments behind that.
func place(at *value.SyntaxError, lines []string) {
	text := lines[min(at.Line, len(lines))-1]
	own := strings.TrimLeft(text, " \t")
	root, _ := compose(before(lines, at.Line))
	if root == nil || strings.TrimLeft(prefix(text, at.Column-1), " \t") != "" {
		return
	}
	// Properties in a line of their own are those of what follows. That is named where it is a key in line with others,
	// and they are where there is nothing more in the mapping.
	last := lastNode(root)
	switch {
	case own == "":
	case strings.IndexByte(",]}", own[0]) >= 0:
		return
	case strings.IndexByte("&!*", own[0]) >= 0 && isMissing(last) && (last.Anchor != "" || last.Style&yaml.TaggedStyle != 0):
		return // one property too many
	case own[0] == '&', own[0] == '!':
		next, column := behindProperties(lines, at.Line)
		keys := keyColumn(root, at.Column)
		if column > 0 && column == keys {
			at.Line, at.Column = next, column
		}
		if next != at.Line && column < keys || column == keys || column == 0 && keys > 0 {
			return
		}
	}
	limit, stays := surroundings(root, at.Column, strings.HasPrefix(own, "- "))
	if stays && at.Line < len(lines) {
		return
	}
	comment := 0 // the deepest column of a comment in between
	end := at.Line
	for ; end > 1; end-- {
		line := lines[end-2]
		bare := strings.TrimLeft(line, " \t\r\n")
		if strings.HasPrefix(bare, "#") {
			comment = max(comment, len(line)-len(bare)+1)
		} else if bare != "" {
			break
		}
	}
	switch {
	case isMissing(last) && comment == 0 && !strings.Contains(lines[last.Line-1], " #"):
		at.Line = last.Line
	case (last.Value != "" || last.Kind != yaml.ScalarNode) && comment < limit:
		at.Line = end
	}
}

// isMissing tells whether a value is not there.
func isMissing(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Value == "" && node.Style&quoted == 0
}

// surroundings looks at what is open at the end of a node, and what a text in a column closes of that. A text that is
// in line with the keys of a mapping stays where it is. From the column limit on a comment belongs to what is before.
func surroundings(root *yaml.Node, column int, isItem bool) (limit int, stays bool) {
	for node := root; node.Kind != yaml.ScalarNode && node.Style&yaml.FlowStyle == 0; node = node.Content[len(node.Content)-1] {
		isSequence := node.Kind == yaml.SequenceNode
		if node.Column > column || node.Column == column && isSequence && !isItem {
			return min(limit, 1) * node.Column, stays || node == root
		}
		if limit = node.Column + 1; isItem && isSequence {
			limit = 0 // a misplaced item is named itself
		}
		stays = stays || node.Column == column && !isItem
		if len(node.Content) == 0 {
			break
		}
	}
	return limit, stays
}

// properties are tags and anchors, with blanks and comments behind them.
var properties = regexp.MustCompile(`^(?:[&!]\S*\s+(?:#.*\s+)*)*`)

// behindProperties returns where the text behind the properties in a line is; the column is 0 where there is none.
func behindProperties(lines []string, line int) (next, column int) {
	text := strings.TrimLeft(strings.Join(lines[line-1:], ""), " \t")
	found := properties.FindString(text)
	next = line + strings.Count(found, "\n")
	if found == text {
		return next, 0
	}
	return next, len(lines[next-1]) - len(strings.TrimLeft(lines[next-1], " ")) + 1
}

// keyColumn returns the column of the innermost mapping that is open at the end of a node and does not begin right of a
// column, -1 if that is no mapping but a sequence.
func keyColumn(node *yaml.Node, column int) (keys int) {
	for node.Column <= column && node.Style&yaml.FlowStyle == 0 && len(node.Content) > 0 {
		if keys = node.Column; node.Kind == yaml.SequenceNode {
			keys = -1
		}
		node = node.Content[len(node.Content)-1]
	}
	return keys
}

// prefix returns the first characters of a text.
func prefix(text string, characters int) string {
	for i := range text {
		if characters == 0 {
			return text[:i]
		}
		characters--
	}
	return text
}

// lastNode returns what a node ends with, a scalar or a flow collection.
func lastNode(node *yaml.Node) *yaml.Node {
	for len(node.Content) > 0 && node.Style&yaml.FlowStyle == 0 {
		node = node.Content[len(node.Content)-1]
	}
	return node
}
