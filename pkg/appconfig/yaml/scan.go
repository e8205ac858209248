package yaml

import (
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// scanner goes through the tokens of a document as npm's yaml does, to find what that refuses and go-yaml lets
// pass or notices only further down: lines of a quoted text or of a flow collection that are not indented enough,
// implicit keys of several lines or of more than 1024 characters, and further documents. Everything else is left to
// go-yaml.
type scanner struct {
	text       string
	pos        int
	indent     int // of the line, with the indicators "- ", "? " and ": " at its beginning
	indentNext int // the least that lines which go on must have
	flow       []bracket
	afterKey   bool   // in a flow collection, behind what a ":" may follow without a blank
	key        int    // where the item at hand begins, or -1
	token      int    // where the last scalar or collection begins
	explicit   bool   // the item began with "? "
	valued     bool   // it has its ":" already
	maps       []int  // the columns of the open block mappings
	asked      []int  // the columns of the explicit keys that have no ":" yet
	closes     bool   // the line is less indented than the mapping before it, and is no item of a sequence
	noMap      string // why no block collection may begin in this line, or ""
	begun      bool   // there is something of the document
	end        int    // where the document ends
	blanks     []int  // where go-yaml needs a blank and has none, or a tab; and each # in a tag
	problem    *value.SyntaxError
}

// bracket is an open flow collection.
type bracket struct {
	mark   byte
	begin  int
	valued bool // of the item that the collection is in
}

// maxKey is how far a colon may be from the beginning of its implicit key, in UTF-16 units.
const maxKey = 1024

// scan returns the first problem of a document, or nil, and where it ends. It adds blanks that go-yaml needs.
func (d *document) scan() (*value.SyntaxError, int) {
	s := scanner{text: d.text, key: -1, end: len(d.text)}
	s.lineStart()
	for s.pos < s.end && s.problem == nil {
		before := s.pos
		if len(s.flow) > 0 {
			s.inFlow()
		} else {
			s.inBlock()
		}
		if s.pos == before {
			s.pos++ // something out of place, which is go-yaml's to tell
		}
	}
	var b strings.Builder
	from := 0
	for _, at := range s.blanks {
		b.WriteString(s.text[from:at])
		switch from = at + 1; s.text[at] {
		case '\t':
			b.WriteByte(' ')
		case '#':
			b.WriteByte('_') // such a tag is none that counts
		default:
			from--
			b.WriteByte(' ')
			s.end++
		}
	}
	d.text = b.String() + s.text[from:]
	return s.problem, s.end
}

func (s *scanner) fail(pos int, problem string) {
	line := strings.LastIndexByte(s.text[:pos], '\n') + 1
	s.problem = &value.SyntaxError{
		Line: strings.Count(s.text[:pos], "\n") + 1, Column: utf8.RuneCountInString(s.text[line:pos]) + 1, Problem: problem,
	}
}

// at returns the character that many bytes ahead, 0 at the end.
func (s *scanner) at(ahead int) byte {
	if s.pos+ahead < len(s.text) {
		return s.text[s.pos+ahead]
	}
	return 0
}

func isBlank(ch byte) bool { return ch == 0 || ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n' }

func isFlowIndicator(ch byte) bool { return ch != 0 && strings.IndexByte(",[]{}", ch) >= 0 }

// skip goes past blanks, and tabs if wanted, and returns their number.
func (s *scanner) skip(tabs bool) int {
	begin := s.pos
	for s.at(0) == ' ' || tabs && s.at(0) == '\t' {
		s.pos++
	}
	return s.pos - begin
}

func (s *scanner) skipTo(set string) {
	if n := strings.IndexAny(s.text[s.pos:], set); n >= 0 {
		s.pos += n
	} else {
		s.pos = len(s.text)
	}
}

// isMarker tells whether a document begins or ends here.
func isMarker(text string) bool {
	return (strings.HasPrefix(text, "---") || strings.HasPrefix(text, "...")) && (len(text) == 3 || isBlank(text[3]))
}

// newline goes past a line end, if there is one.
func (s *scanner) newline() bool {
	switch {
	case s.at(0) == '\n':
		s.pos++
	case s.at(0) == '\r' && s.at(1) == '\n':
		s.pos += 2
	default:
		return false
	}
	return true
}

var betweenDocuments = regexp.MustCompile(`^(?:[ \t]*(?:#.*)?\r?(?:\n|$)|%.*(?:\n|$))+`)

// marker goes past a marker of a document, and to the end of the text if it ends the only one.
func (s *scanner) marker() {
	s.indent, s.indentNext, s.maps, s.asked = 0, 0, nil, nil
	next, ends := s.pos, s.text[s.pos] == '.'
	if ends {
		line, _, _ := strings.Cut(s.text[s.pos:], "\n")
		next = min(s.pos+len(line)+1, len(s.text))
		s.end = next
		next += len(betweenDocuments.FindString(s.text[next:]))
	}
	if s.begun && !ends || ends && next < len(s.text) {
		s.end = min(s.end, next)
		s.fail(next, "Source contains multiple documents")
	}
	s.begun = true
	s.pos += 3
}

// column returns how far a place is from the beginning of its line, in bytes.
func (s *scanner) column(pos int) int { return pos - 1 - strings.LastIndexByte(s.text[:pos], '\n') }

// inLine tells whether a place is in line with the keys of the innermost mapping.
func (s *scanner) inLine(pos int) bool {
	return len(s.maps) > 0 && s.maps[len(s.maps)-1] == s.column(pos)
}

func (s *scanner) lineStart() {
	s.key, s.explicit, s.valued, s.noMap = -1, false, false, ""
	if isMarker(s.text[s.pos:]) {
		s.marker()
		return
	}
	if !s.begun && s.at(0) == '%' {
		s.skipTo("\n")
		return
	}
	s.indent = s.skip(false)
	if ch := s.at(0); !isBlank(ch) && ch != '#' {
		s.begun, s.closes = true, len(s.maps) > 0 && s.maps[len(s.maps)-1] > s.indent
		for len(s.maps) > 0 && s.maps[len(s.maps)-1] > s.indent {
			s.maps = s.maps[:len(s.maps)-1]
		}
		for n := len(s.asked) - 1; n >= 0 && (s.asked[n] > s.indent || s.asked[n] == s.indent && ch != ':'); n-- {
			s.asked = s.asked[:n]
		}
	}
	if s.indentNext > s.indent && !isBlank(s.at(1)) {
		s.indentNext = s.indent
	}
	for ch := s.at(0); (ch == '-' || ch == '?' || ch == ':') && isBlank(s.at(1)); ch = s.at(0) {
		if s.noMap != "" {
			s.fail(s.pos, s.noMap)
			return
		}
		s.explicit, s.closes = ch == '?', s.closes && ch != '-'
		if n := len(s.asked) - 1; s.explicit {
			s.asked = append(s.asked, s.column(s.pos))
		} else if ch == ':' && n >= 0 && s.asked[n] == s.column(s.pos) {
			s.asked = s.asked[:n]
		} else if ch == ':' {
			s.noMap = "Nested mappings are not allowed in compact mappings"
		}
		s.pos++
		s.indentNext = s.indent + 1
		n := s.skip(true)
		for at := s.pos - n; ch != '-' && at < s.pos; at++ {
			if s.text[at] == '\t' {
				s.blanks = append(s.blanks, at)
				s.noMap = "Tabs are not allowed as indentation"
			}
		}
		s.indent += 1 + n
	}
}

func (s *scanner) inBlock() {
	s.skip(true)
	s.indicators()
	if s.pos >= len(s.text) || s.problem != nil {
		return
	}
	if s.newline() {
		s.lineStart()
		return
	}
	switch ch := s.at(0); ch {
	case '#':
		s.skipTo("\n")
	case '{', '[':
		s.open(ch)
	case '}', ']':
		s.pos++
	case '*':
		s.begin()
		s.skipTo(" ,[]{}\n\r\t")
	case '"', '\'':
		s.quoted(ch)
	case '|', '>':
		s.block()
	default:
		s.plain()
	}
}

// begin notes where a key may begin.
func (s *scanner) begin() {
	s.token = s.pos
	if s.key < 0 {
		s.key = s.pos
	}
}

func (s *scanner) open(ch byte) {
	s.begin()
	s.flow = append(s.flow, bracket{ch, s.pos, s.valued})
	s.pos++
	s.afterKey, s.key, s.explicit, s.valued = false, -1, false, false
}

// indicators goes past tags, anchors, and "- ", "? " and ": ".
func (s *scanner) indicators() {
	for s.problem == nil {
		switch ch := s.at(0); {
		case ch == '!', ch == '&':
			s.begin()
			begin := s.pos
			s.skipTo(" ,[]{}\n\r\t")
			for at := begin; ch == '!' && at < s.pos; at++ {
				if s.text[at] == '#' {
					s.blanks = append(s.blanks, at)
				}
			}
		case (ch == '-' || ch == '?' || ch == ':') &&
			(isBlank(s.at(1)) || len(s.flow) > 0 && isFlowIndicator(s.at(1))):
			if len(s.flow) == 0 {
				s.indentNext = s.indent + 1
			}
			s.afterKey = false
			s.indicator(ch)
		default:
			return
		}
		s.skip(true)
	}
}

func (s *scanner) indicator(ch byte) {
	inBlock, inMap := len(s.flow) == 0, len(s.flow) > 0 && s.flow[len(s.flow)-1].mark == '{'
	if ch == ':' && s.key >= 0 && !s.explicit {
		isValue := s.valued && inBlock && strings.IndexByte("[{", s.text[s.token]) >= 0
		key := s.text[s.token:s.pos]
		if inBlock || inMap {
			key = strings.TrimRight(key, " \t\r\n")
		}
		switch {
		case (s.valued || !inMap) && !isValue && strings.Contains(key, "\n") && !strings.Contains(s.text[s.token+len(key):s.pos], "\n"):
			s.fail(s.token, "Implicit keys need to be on a single line")
		case !inMap && s.pos-s.key > maxKey && len(utf16.Encode([]rune(s.text[s.key:s.pos]))) > maxKey:
			s.fail(s.key, "The : indicator must be at most 1024 chars after the start of an implicit key")
		}
	}
	if ch == ':' && inBlock && s.noMap != "" {
		s.fail(s.pos, s.noMap)
	}
	if ch == ':' && inBlock && s.key >= 0 {
		if at := s.column(s.key); len(s.maps) == 0 || s.maps[len(s.maps)-1] < at {
			s.maps = append(s.maps, at)
		}
	}
	s.key, s.explicit, s.valued = -1, ch == '?', ch == ':'
	s.pos++
}

func (s *scanner) inFlow() {
	indent := -1
	for {
		if s.newline() {
			indent = s.skip(false)
			s.indent = indent
		}
		if s.skip(true) == 0 && s.at(0) != '\n' && !strings.HasPrefix(s.text[s.pos:], "\r\n") {
			break
		}
	}
	ch := s.at(0)
	before := strings.TrimRight(s.text[:s.pos], " \t\r\n")
	isMissing := strings.HasSuffix(before, ":") // the value, and so the collection ends with the colon
	isKey := s.inLine(s.flow[0].begin)
	if ch == 0 && !isMissing && !isKey {
		return
	}
	if ch == 0 || indent >= 0 && indent < s.indentNext && ch != '#' || indent == 0 && isMarker(s.text[s.pos:]) {
		// The last bracket may be as far to the left as what the collection is the value of.
		if indent != s.indentNext-1 || len(s.flow) != 1 || ch != ']' && ch != '}' {
			at := s.pos
			if isKey { // which must be in one line
				at = s.flow[0].begin
			} else if isMissing {
				at = len(before)
			}
			s.fail(at, "Flow collection in block collection must be sufficiently indented and closed")
			return
		}
	}
	for s.at(0) == ',' {
		s.pos++
		s.skip(true)
		s.afterKey, s.key, s.explicit, s.valued = false, -1, false, false
	}
	s.indicators()
	switch ch := s.at(0); ch {
	case 0, '\n', '\r':
	case '#':
		s.skipTo("\n")
	case '{', '[':
		s.open(ch)
	case '}', ']':
		s.pos++
		last := s.flow[len(s.flow)-1]
		s.flow = s.flow[:len(s.flow)-1]
		s.key, s.token, s.valued, s.afterKey = last.begin, last.begin, last.valued, true
	case '*':
		s.begin()
		s.skipTo(" ,[]{}\n\r\t")
	case '"', '\'':
		s.quoted(ch)
		s.afterKey = true
	case ':':
		if s.afterKey {
			s.afterKey = false
			s.indicator(ch)
			return
		}
		s.plain()
	default:
		s.afterKey = false
		s.plain()
	}
}
