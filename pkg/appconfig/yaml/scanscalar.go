package yaml

import (
	"strings"
)

// goesOn tells whether a scalar goes on in the line that begins at pos, and where its text is there.
func (s *scanner) goesOn(pos int) (int, bool) {
	rest := s.text[pos:]
	if s.indentNext == 0 {
		return pos, !isMarker(rest)
	}
	text := strings.TrimLeft(rest, " ")
	indent := len(rest) - len(text)
	return pos + indent, strings.HasPrefix(text, "\n") || strings.HasPrefix(text, "\r\n") || indent >= s.indentNext
}

func (s *scanner) quoted(mark byte) {
	follows := s.key >= 0 && strings.IndexByte("&!", s.text[s.key]) < 0 // another token, with nothing in between
	s.begin()
	end := s.pos + 1
	for ; end < len(s.text) && s.text[end] != mark; end++ {
		if mark == '"' && s.text[end] == '\\' {
			end++
		}
	}
	if mark == '\'' {
		for strings.HasPrefix(s.text[min(end, len(s.text)):], "''") {
			next := strings.IndexByte(s.text[end+2:], mark)
			if next < 0 {
				end = len(s.text)
				break
			}
			end += 2 + next
		}
	}
	if end >= len(s.text) {
		if follows {
			s.fail(s.token, "Unexpected quoted text behind a value")
		} else if s.inLine(s.token) || s.closes && s.column(s.token) == s.indent {
			s.fail(s.token, "Implicit keys need to be on a single line")
		} else {
			s.fail(len(s.text), "Missing closing "+string(mark)+"quote")
		}
		return
	}
	for at := s.pos; ; {
		n := strings.IndexByte(s.text[at:end], '\n')
		if n < 0 {
			break
		}
		next, ok := s.goesOn(at + n + 1)
		if !ok {
			s.fail(at+n, "Missing closing "+string(mark)+"quote")
			return
		}
		at = min(next, end)
	}
	s.pos = end + 1
}

func (s *scanner) plain() {
	s.begin()
	inFlow := len(s.flow) > 0
	for s.pos < len(s.text) {
		switch ch := s.text[s.pos]; {
		case ch == ':' && (isBlank(s.at(1)) || inFlow && isFlowIndicator(s.at(1))), inFlow && isFlowIndicator(ch):
			if next := s.at(1); ch == ':' && (next == '[' || next == '{') {
				s.blanks = append(s.blanks, s.pos+1)
			}
			return
		case ch == '\n':
			next, ok := s.goesOn(s.pos + 1)
			if !ok && s.at(1) == '\t' {
				rest := strings.TrimLeft(s.text[next:], " \t\r\n")
				if at := len(s.text) - len(rest); rest != "" && rest[0] != '#' && !inFlow && s.column(at) >= s.indentNext && s.column(at) > 0 {
					s.fail(next, "All mapping items must start at the same column")
				}
			}
			if !ok || next < len(s.text) && s.text[next] == '#' {
				return
			}
			s.pos = max(s.pos, next-1)
		case isBlank(ch) && s.at(1) == '#':
			return
		}
		s.pos++
	}
}

// skipComments returns the rest of a text behind blank lines and comments.
func skipComments(text string) string {
	for text = strings.TrimLeft(text, " \r\n"); strings.HasPrefix(text, "#"); text = strings.TrimLeft(text, " \r\n") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

// block goes past a block scalar.
func (s *scanner) block() {
	isItem := strings.HasSuffix(strings.TrimRight(s.text[:s.pos], " "), "-")
	if at := s.column(s.pos); s.key < 0 && len(s.maps) > 0 && at <= s.maps[len(s.maps)-1] {
		s.fail(s.pos, "Block scalars must be indented more than their key")
		return
	}
	explicit, keep, outer := 0, false, s.indentNext
	for s.pos++; ; s.pos++ {
		if ch := s.at(0); ch > '0' && ch <= '9' {
			explicit = int(ch - '0')
		} else if ch != '-' && ch != '+' {
			break
		} else {
			keep = keep || ch == '+'
		}
	}
	s.skipTo("\n")
	if !s.newline() {
		return
	}
	// The first line that is not blank tells the indentation.
	rest := strings.TrimLeft(s.text[s.pos:], " \r\n")
	begin := len(s.text) - len(rest)
	indent := begin - 1 - strings.LastIndexByte(s.text[:begin], '\n')
	end := s.pos
	if indent >= s.indentNext {
		if explicit > 0 {
			s.indentNext = explicit - 1 + max(s.indentNext, 1)
		} else {
			s.indentNext = indent
		}
		for at := s.pos; at < len(s.text); {
			next, ok := s.goesOn(at)
			if !ok {
				break
			}
			n := strings.IndexByte(s.text[next:], '\n')
			if n < 0 {
				n = len(s.text) - next - 1
			}
			if line := strings.TrimRight(s.text[at:next+n], "\r\n"); keep || len(line) > s.indentNext {
				end = next + n + 1
			}
			at = next + n + 1
		}
	}
	s.pos = end
	if next := skipComments(s.text[end:]); next != "" && strings.IndexByte("!&", next[0]) < 0 {
		line := s.text[:len(s.text)-len(next)]
		if outer > 0 && len(line)-1-strings.LastIndexByte(line, '\n') >= outer {
			if isItem && strings.HasPrefix(next, "- ") {
				end = len(line)
			}
			s.fail(end, "Block scalar lines must not be less indented than their first line")
			return
		}
	}
	s.lineStart()
}
