package yaml

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// document is a YAML text made ready for go-yaml, which differs from npm's yaml in what it takes for a line
// break, for a character that may stand in a text, and for a directive. This file is the one place where such
// differences in the text are closed; those in what the parsed nodes mean are closed in construct.go.
type document struct {
	text   string
	old    bool              // %YAML 1.1
	ended  bool              // a line end was added
	hidden map[string]hidden // by what stands in for it
}

// hidden is what a stand-in in the text stands for.
type hidden struct {
	text  string // in the document
	value string // in a double-quoted text, where it may be an escape
}

// restorers return functions that put the hidden back into a scalar, a double-quoted one and any other.
func (d *document) restorers() (quoted, other func(string) string) {
	var texts, values []string
	// A stand-in that is the beginning of another comes behind it.
	for _, standIn := range slices.Backward(slices.Sorted(maps.Keys(d.hidden))) {
		h := d.hidden[standIn]
		texts, values = append(texts, standIn, h.text), append(values, standIn, h.value)
	}
	return strings.NewReplacer(values...).Replace, strings.NewReplacer(texts...).Replace
}

// prepare hides what go-yaml would not take and npm's yaml does.
func prepare(text string) (document, *value.SyntaxError) {
	doc := document{text: strings.TrimPrefix(text, "\ufeff"), hidden: map[string]hidden{}}
	if err := doc.directives(); err != nil {
		return doc, err
	}
	doc.hideCharacters()
	doc.hideAnchors()
	if rest := strings.TrimRight(doc.text, " "); strings.HasSuffix(rest, "\n") && !isDeeper(doc.text[len(rest):], rest) {
		doc.text = rest
	} else {
		doc.text, doc.ended = doc.text+"\n", true // so that a block scalar at the end has one, as it has there
	}
	return doc, nil
}

// isDeeper tells whether blanks are more than the last line of a text is indented by.
func isDeeper(blanks, text string) bool {
	text = strings.TrimRight(text, " \n")
	line := text[strings.LastIndexByte(text, '\n')+1:]
	return len(blanks) > len(line)-len(strings.TrimLeft(line, " "))
}

var tagHandle = regexp.MustCompile(`^!(?:[-\w]*!)?$`)

var unsupportedVersion = regexp.MustCompile(`^\d+\.\d+$`)

// directives interprets the %YAML directive and makes comments of it and of unknown ones, which go-yaml
// refuses. %TAG is left to go-yaml.
func (d *document) directives() *value.SyntaxError {
	if !strings.Contains(d.text, "%") {
		return nil
	}
	rest, number, seen := d.text, 0, false
	var done []byte
	handles := map[string]int{} // where they are declared
	for rest != "" {
		line, tail, more := strings.Cut(rest, "\n")
		number++
		switch bare := strings.TrimLeft(line, " \t"); {
		case strings.HasPrefix(line, "%"):
			seen = true
			fail := func(column int, problem string) *value.SyntaxError {
				return &value.SyntaxError{Line: number, Column: column, Problem: problem}
			}
			words := strings.Fields(cutComment(line))
			switch {
			case words[0] == "%YAML" && len(words) != 2:
				return fail(1, "%YAML directive should contain exactly one part")
			case words[0] == "%YAML" && words[1] != "1.1" && words[1] != "1.2" && !unsupportedVersion.MatchString(words[1]):
				return fail(7, "Unsupported YAML version "+words[1])
			case words[0] == "%YAML":
				d.old = words[1] == "1.1" || d.old && words[1] != "1.2"
			case words[0] == "%TAG" && len(words) != 3:
				return fail(1, "%TAG directive should contain exactly two parts")
			}
			if words[0] != "%TAG" || !tagHandle.MatchString(words[1]) {
				line = "#" + line[1:]
			} else {
				if at, ok := handles[words[1]]; ok {
					done[at] = '#' // the last one counts
				}
				handles[words[1]] = len(done)
			}
		case bare == "" || bare == "\r" || bare[0] == '#':
		case seen && (rest[0] != '-' || !isMarker(rest)):
			return &value.SyntaxError{Line: number, Column: 1, Problem: "Missing directives-end/doc-start indicator line"}
		default:
			if seen {
				d.text = string(done) + rest
			}
			return nil
		}
		done = append(done, line...)
		if more {
			done = append(done, '\n')
		}
		rest = tail
	}
	if seen {
		return &value.SyntaxError{Line: strings.Count(d.text, "\n") + 1, Column: 1, Problem: "Missing directives-end indicator line"}
	}
	return nil
}

// cutComment returns a directive's line without the comment at its end.
func cutComment(line string) string {
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// isForeign tells whether a character is an ordinary one to npm's yaml, but not to go-yaml: control
// characters, which that refuses, and line breaks other than \n and \r\n.
func isForeign(r rune) bool {
	switch r {
	case 0x85, 0x2028, 0x2029, 0xfeff, 0xfffe, 0xffff:
		return true
	}
	return r < ' ' && r != '\n' && r != '\t'
}

func hasForeign(text string) bool {
	for i := range len(text) {
		if ch := text[i]; ch < ' ' && ch != '\n' && ch != '\t' || ch >= utf8.RuneSelf {
			return strings.IndexFunc(text[i:], isForeign) >= 0
		}
	}
	return false
}

var surrogate = regexp.MustCompile(`\\*\\u(?i:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|d[89a-f][0-9a-f]{2})`)

// escapedBreak is an escaped line break with blank lines behind it, which npm's yaml folds as if there were one less.
var escapedBreak = regexp.MustCompile(`\\+\n(?:[ \t]*\n)+`)

var fourDigits = regexp.MustCompile(`[0-9a-fA-F]{4}`)

// hideCharacters puts characters of private use, that are not in the text, in the place of foreign ones and of
// escaped surrogates, which go-yaml refuses even in pairs.
func (d *document) hideCharacters() {
	escapes := strings.Contains(d.text, `\u`) && surrogate.MatchString(d.text)
	breaks := strings.Contains(d.text, "\\\n") && escapedBreak.MatchString(d.text)
	if !escapes && !breaks && !hasForeign(d.text) {
		return
	}
	const places = 0x400
	base := rune(0xe000)
	for strings.IndexFunc(d.text, func(r rune) bool { return r >= base && r < base+places }) >= 0 {
		if base += places; base == 0xf800 {
			base = 0xf0000 // the block of private use goes on here
		}
	}
	standIns := map[string]string{}
	hide := func(text, value string) string {
		standIn, ok := standIns[text]
		if !ok {
			if len(standIns) == places {
				return text // more different surrogates than anybody uses: go-yaml refuses them
			}
			standIn = string(base + rune(len(standIns)))
			standIns[text], d.hidden[standIn] = standIn, hidden{text, value}
		}
		return standIn
	}
	if breaks {
		d.text = escapedBreak.ReplaceAllStringFunc(d.text, func(text string) string {
			slashes, blank, _ := strings.Cut(text, "\n")
			if len(slashes)%2 == 0 {
				return text
			}
			kind, fold := "break", " " // of the line breaks that follow npm's yaml takes the first as folded
			if strings.Count(blank, "\n") > 1 {
				kind, fold = "breaks", ""
			}
			standIn := hide(kind, `\`)
			d.hidden[standIn] = hidden{`\`, `\`}
			d.hidden[standIn+"\n"] = hidden{"\\\n", fold}
			return slashes[1:] + standIn + "\n" + blank
		})
	}
	if escapes {
		d.text = surrogate.ReplaceAllStringFunc(d.text, func(text string) string {
			i := strings.LastIndex(text[:strings.IndexAny(text, "uU")], `\`)
			if i%2 == 1 {
				return text // the backslash itself is escaped
			}
			var units []uint16
			for _, digits := range fourDigits.FindAllString(text[i:], -1) {
				unit, _ := strconv.ParseUint(digits, 16, 16)
				units = append(units, uint16(unit))
			}
			return text[:i] + hide(text[i:], string(utf16.Decode(units)))
		})
	}
	var b strings.Builder
	for i, r := range d.text {
		if !isForeign(r) || r == '\r' && strings.HasPrefix(d.text[i+1:], "\n") {
			b.WriteRune(r)
		} else {
			b.WriteString(hide(string(r), string(r)))
		}
	}
	d.text = b.String()
}

// anchorLike is what may be an anchor or an alias with other than ASCII in it, or is one that has a colon at its end.
var anchorLike = regexp.MustCompile(`(?m)(?:^|[\s,\[{])[&*][^\s,\[\]{}]*[^\x00-\x7f][^\s,\[\]{}]*|` +
	`(?:^|[-?:][ \t]|[,\[{])[ \t]*[&*][^\s,\[\]{}]*:(?:[\s,\[\]{}]|$)`)

// hideAnchors spells anchors and aliases, or what may be such, as go-yaml wants them: in ASCII, and not with a colon
// at the end.
func (d *document) hideAnchors() {
	if !strings.ContainsAny(d.text, "&*") || !anchorLike.MatchString(d.text) {
		return
	}
	mark := "x0"
	for strings.Contains(d.text, mark) {
		mark += "0"
	}
	d.text = anchorLike.ReplaceAllStringFunc(d.text, func(name string) string {
		var b strings.Builder
		colon := strings.LastIndexByte(name, ':')
		for i, r := range name {
			if atEnd := i == colon && i > strings.IndexAny(name, "&*") && i >= len(name)-2; r < utf8.RuneSelf && !atEnd {
				b.WriteRune(r)
				continue
			}
			standIn := fmt.Sprintf("%s-%x-", mark, r)
			b.WriteString(standIn)
			h, ok := d.hidden[string(r)] // a foreign character in an anchor is hidden twice
			if !ok {
				h = hidden{string(r), string(r)}
			}
			d.hidden[standIn] = h
		}
		return b.String()
	})
}
