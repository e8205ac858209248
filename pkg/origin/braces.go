package origin

import (
	"fmt"
	"strings"
)

// Limits on patterns. Each pair of braces multiplies the alternatives: "{a,b}" twenty times are a million.
const (
	maxPattern      = 2048      // bytes of a pattern
	maxAlternatives = 1000      // of all patterns with braces in a list
	maxExpanded     = 128 << 10 // bytes of these alternatives
)

// expansion collects the alternatives of patterns.
type expansion struct {
	list  []string
	count int // of those that braces made
	size  int // of those, in bytes
}

// add adds the alternatives of a pattern: "abd" and "acd" for "a{b,c}d". It expands the first pair of braces first.
func (e *expansion) add(pattern string) error {
	if len(pattern) > maxPattern {
		return fmt.Errorf("has %d bytes, expected at most %d", len(pattern), maxPattern)
	}
	before, parts, after := cutBraces(pattern)
	if parts == nil {
		e.list = append(e.list, pattern)
		return nil
	}
	for _, part := range parts {
		alternative := before + part + after
		if _, more, _ := cutBraces(alternative); more == nil {
			e.count, e.size = e.count+1, e.size+len(alternative)
		}
		if e.count > maxAlternatives || e.size > maxExpanded {
			return fmt.Errorf("has braces for too many origins, expected at most %d, with %d bytes, in a list",
				maxAlternatives, maxExpanded)
		}
		if err := e.add(alternative); err != nil {
			return err
		}
	}
	return nil
}

// cutBraces splits a pattern around its first pair of braces, and what is in them at its commas. parts is nil if
// there is no pair, or no comma in it: then they are plain characters.
func cutBraces(pattern string) (before string, parts []string, after string) {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return pattern, nil, ""
	}
	depth, start := 0, open+1
	for i := open; i < len(pattern); i++ {
		switch pattern[i] {
		case '{':
			depth++
		case ',':
			if depth == 1 {
				parts = append(parts, pattern[start:i])
				start = i + 1
			}
		case '}':
			if depth--; depth > 0 {
				continue
			}
			if parts == nil {
				return pattern, nil, ""
			}
			return pattern[:open], append(parts, pattern[start:i]), pattern[i+1:]
		}
	}
	return pattern, nil, ""
}
