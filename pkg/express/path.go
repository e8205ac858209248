package express

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/understudy-host/understudy/pkg/js"
)

// CompilePath returns a function that reports whether a path is below the pattern, as path-to-regexp 8 with end: false
// decides: letter case does not count, and what follows the pattern begins with a slash. "/" and "*" are every path, as
// in Backstage's auth policies. A pattern without parameters costs one comparison.
func CompilePath(pattern string) (func(path string) bool, error) {
	if pattern == "/" || pattern == "*" {
		return func(string) bool { return true }, nil
	}
	p := pathParser{rest: []rune(pattern)}
	tokens, err := p.until(0)
	if err != nil {
		return nil, err
	}
	if literal, ok := literal(tokens); ok {
		return func(path string) bool {
			rest, ok := CutPrefixFold(path, literal)
			return ok && (rest == "" || rest[0] == '/')
		}, nil
	}
	var sources []string
	if err := flatten(tokens, nil, func(flat []pathToken) error {
		source, err := pathSource(flat)
		sources = append(sources, source)
		if len(sources) > maxCombinations {
			err = errors.New("too many combinations of optional parts")
		}
		return err
	}); err != nil {
		return nil, err
	}
	re, err := js.NewRegExp("^(?:"+strings.Join(sources, "|")+")(?:/|$)", "")
	if err != nil {
		return nil, err
	}
	return func(path string) bool { return re.Test(strings.ToLower(path)) }, nil
}

// maxCombinations is how many patterns the optional parts of one may stand for.
const maxCombinations = 256

// pathToken is a part of a pattern. kind is 't' for text, ':' for a parameter, '*' for a wildcard and '{' for a group.
type pathToken struct {
	kind  rune
	text  string // of a text in lower case, or the name
	group []pathToken
}

// literal returns the text of a pattern that has nothing else and is ASCII.
func literal(tokens []pathToken) (string, bool) {
	var text strings.Builder
	for _, t := range tokens {
		if t.kind != 't' {
			return "", false
		}
		text.WriteString(t.text)
	}
	return text.String(), !strings.ContainsFunc(text.String(), func(c rune) bool { return c > unicode.MaxASCII })
}

type pathParser struct{ rest []rune }

func (p *pathParser) next() rune {
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

// until reads tokens up to end, or up to the end of the pattern if end is 0.
func (p *pathParser) until(end rune) (tokens []pathToken, err error) {
	text := ""
	flush := func() {
		if text != "" {
			tokens = append(tokens, pathToken{kind: 't', text: strings.ToLower(text)})
		}
		text = ""
	}
	for len(p.rest) > 0 {
		switch c := p.next(); c {
		case end:
			flush()
			return tokens, nil
		case '\\':
			if len(p.rest) == 0 {
				return nil, errors.New(`unexpected end after \`)
			}
			text += string(p.next())
		case ':', '*':
			name := p.name()
			if name == "" {
				return nil, fmt.Errorf("missing parameter name after %c", c)
			}
			flush()
			tokens = append(tokens, pathToken{kind: c, text: name})
		case '{':
			flush()
			group, err := p.until('}')
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, pathToken{kind: '{', group: group})
		case '}', '(', ')', '[', ']', '+', '?', '!':
			return nil, fmt.Errorf("unexpected %c", c)
		default:
			text += string(c)
		}
	}
	if end != 0 {
		return nil, fmt.Errorf("unexpected end, expected %c", end)
	}
	flush()
	return tokens, nil
}

// name reads the name of a parameter: an identifier of JavaScript, or a text in quotes. "" stands for none.
func (p *pathParser) name() (name string) {
	if len(p.rest) > 0 && p.rest[0] == '"' {
		for p.next(); len(p.rest) > 0; {
			c := p.next()
			if c == '"' {
				return name
			}
			if c == '\\' && len(p.rest) > 0 {
				c = p.next()
			}
			name += string(c)
		}
		return "" // the quote does not end
	}
	for len(p.rest) > 0 {
		c := p.rest[0]
		if c != '$' && c != '_' && !unicode.IsLetter(c) && (name == "" || !unicode.IsDigit(c)) {
			return name
		}
		name += string(p.next())
	}
	return name
}

// flatten calls yield with each sequence without groups that the tokens stand for.
func flatten(tokens, before []pathToken, yield func([]pathToken) error) error {
	for i, t := range tokens {
		if t.kind != '{' {
			before = append(slices.Clip(before), t)
			continue
		}
		if err := flatten(t.group, before, func(with []pathToken) error { return flatten(tokens[i+1:], with, yield) }); err != nil {
			return err
		}
	}
	return yield(before)
}

// pathSource returns the expression for tokens without groups. Like path-to-regexp, it lets no parameter take the text
// before it, so that a match does not backtrack.
func pathSource(tokens []pathToken) (string, error) {
	var source, before, sinceWildcard string
	var previous rune
	var parameter, wildcard bool // seen in this segment
	for i, t := range tokens {
		if t.kind == 't' {
			source, before = source+regexp.QuoteMeta(t.text), before+t.text
			if previous == '*' {
				sinceWildcard += t.text
			}
			if strings.Contains(t.text, "/") {
				parameter, wildcard = false, false
			}
			continue
		}
		if previous != 0 && before == "" {
			return "", fmt.Errorf("missing text before the parameter %q", t.text)
		}
		switch after := tokens[i+1:]; {
		case t.kind == ':' && wildcard:
			source += "(?:" + except("/", before) + "+)"
		case t.kind == ':' && inSegment(after, '*'):
			source += "(?:" + except("/", leadingText(after)) + "+)"
		case t.kind == ':' && parameter:
			source += "(?:" + except("/", before) + "+|" + regexp.QuoteMeta(before) + ")"
		case t.kind == ':':
			source += "(?:[^/]+)"
		case wildcard:
			source += "(?:" + except(before, "") + "+)"
		case sinceWildcard != "":
			source += "(?:" + except(sinceWildcard, "") + "+|[^/]+)"
		default:
			source += `(?:[\s\S]+)`
		}
		if t.kind == '*' {
			wildcard, sinceWildcard = true, ""
		} else {
			parameter = true
		}
		previous, before = t.kind, ""
	}
	return source, nil
}

// inSegment reports whether a token of the kind comes before the next slash.
func inSegment(tokens []pathToken, kind rune) bool {
	for _, t := range tokens {
		if t.kind == kind {
			return true
		}
		if t.kind == 't' && strings.Contains(t.text, "/") {
			return false
		}
	}
	return false
}

// leadingText returns the text that the tokens begin with.
func leadingText(tokens []pathToken) (text string) {
	for _, t := range tokens {
		if t.kind != 't' {
			return text
		}
		text += t.text
	}
	return text
}

// except returns an expression for one character at which neither a nor b begins.
func except(a, b string) string {
	if a == b {
		b = ""
	}
	either := regexp.QuoteMeta(a)
	if b != "" {
		either += "|" + regexp.QuoteMeta(b)
	}
	return `(?:(?!` + either + `)[\s\S])`
}
