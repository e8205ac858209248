package yaml

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// document is a YAML document prepared for go-yaml.
type document struct {
	text     string
	old      bool               // %YAML 1.1
	standIns map[string]standIn // by the string that is in the text instead
}

// standIn is the original of a string in the text.
type standIn struct {
	text  string // as in the document
	value string // of it in a double-quoted string, where it may be an escape
}

// restorers returns functions that restore the originals in a scalar: double for a double-quoted one, other for any
// other.
func (d *document) restorers() (double, other func(string) string) {
	var texts, values []string
	for name, s := range d.standIns { // none is a prefix of another
		texts, values = append(texts, name, s.text), append(values, name, s.value)
	}
	return strings.NewReplacer(values...).Replace, strings.NewReplacer(texts...).Replace
}

// prepare changes what go-yaml refuses, or reads differently from npm's yaml.
func prepare(text string) *document {
	d := &document{text: strings.TrimPrefix(text, "\ufeff"), standIns: map[string]standIn{}}
	d.directives()
	d.hideCharacters()
	d.hideAnchors()
	if !strings.HasSuffix(d.text, "\n") {
		d.text += "\n" // as a block scalar at the end needs it
	}
	return d
}

// directives reads %YAML and turns all directives except %TAG into comments: go-yaml refuses versions and directives
// that it does not know.
func (d *document) directives() {
	var done strings.Builder
	rest := d.text
	for rest != "" {
		line, tail, _ := strings.Cut(rest, "\n")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0][0] == '#':
		case line[0] != '%':
			d.text = done.String() + rest
			return
		case words[0] != "%TAG":
			d.old = words[0] == "%YAML" && len(words) > 1 && words[1] == "1.1"
			line = "#" + line[1:]
		}
		done.WriteString(line + "\n")
		rest = tail
	}
}

// isForeign reports whether a character is ordinary for npm's yaml but not for go-yaml: control characters, which
// go-yaml refuses, and line breaks other than \n and \r\n.
func isForeign(r rune) bool {
	switch r {
	case 0x85, 0x2028, 0x2029, 0xfeff, 0xfffe, 0xffff:
		return true
	}
	return r < ' ' && r != '\n' && r != '\t'
}

// surrogate matches an escaped surrogate, which go-yaml refuses even in a pair, with the backslashes before it.
var surrogate = regexp.MustCompile(`\\*\\u(?i:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|d[89a-f][0-9a-f]{2})`)

// hideCharacters replaces foreign characters and escaped surrogates with private-use characters that are not in the
// text.
func (d *document) hideCharacters() {
	escapes := strings.Contains(d.text, `\u`) && surrogate.MatchString(d.text)
	if !escapes && strings.IndexFunc(d.text, isForeign) < 0 {
		return
	}
	const first, places = 0x100000, 0xfffe // of private use
	if strings.IndexFunc(d.text, func(r rune) bool { return r >= first }) >= 0 {
		return
	}
	known := map[string]string{}
	hide := func(text, value string) string {
		name, ok := known[text]
		if !ok {
			if len(known) == places {
				return text // too many different surrogates: go-yaml refuses them
			}
			name = string(first + rune(len(known)))
			known[text], d.standIns[name] = name, standIn{text, value}
		}
		return name
	}
	if escapes {
		d.text = surrogate.ReplaceAllStringFunc(d.text, func(text string) string {
			i := strings.LastIndex(text[:strings.IndexAny(text, "uU")], `\`)
			if i%2 == 1 {
				return text // the backslash itself is escaped
			}
			var decoded string
			_ = json.Unmarshal([]byte(`"`+text[i:]+`"`), &decoded) // JSON has the same escapes
			return text[:i] + hide(text[i:], decoded)
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

// anchorLike matches what may be an anchor or an alias that is not ASCII, or that ends with a colon.
var anchorLike = regexp.MustCompile(`(?m)(?:^|[\s,\[{])[&*][^\s,\[\]{}]*[^\x00-\x7f][^\s,\[\]{}]*|` +
	`(?:^|[-?:][ \t]|[,\[{])[ \t]*[&*][^\s,\[\]{}]*:(?:[\s,\[\]{}]|$)`)

// hideAnchors spells what may be anchors and aliases as go-yaml expects them: in ASCII, without a colon at the end.
func (d *document) hideAnchors() {
	if !strings.ContainsAny(d.text, "&*") || !anchorLike.MatchString(d.text) {
		return
	}
	marks := []string{"x0x", "x1x", "x2x", "x3x"}
	i := slices.IndexFunc(marks, func(mark string) bool { return !strings.Contains(d.text, mark) })
	if i < 0 {
		return // go-yaml refuses such anchors
	}
	d.text = anchorLike.ReplaceAllStringFunc(d.text, func(name string) string {
		var b strings.Builder
		colon := strings.LastIndexByte(name, ':')
		for at, r := range name {
			if atEnd := at == colon && at > strings.IndexAny(name, "&*") && at >= len(name)-2; r < utf8.RuneSelf && !atEnd {
				b.WriteRune(r)
				continue
			}
			ascii := fmt.Sprintf("%s%x-", marks[i], r)
			b.WriteString(ascii)
			s, ok := d.standIns[string(r)] // a foreign character in an anchor is hidden twice
			if !ok {
				s = standIn{string(r), string(r)}
			}
			d.standIns[ascii] = s
		}
		return b.String()
	})
}

// separate puts a tab between a colon and a bracket right after it, as in {a:[1]}, since go-yaml expects white space
// there. Outside of flow collections such a colon is part of a string. In a quoted string it is restored; with a
// plain one the document is still refused.
func (d *document) separate() bool {
	const mapping, sequence = ":\t{", ":\t["
	before := d.text
	if !strings.Contains(before, mapping) && !strings.Contains(before, sequence) {
		d.text = strings.NewReplacer(":{", mapping, ":[", sequence).Replace(before)
		d.standIns[mapping], d.standIns[sequence] = standIn{":{", ":{"}, standIn{":[", ":["}
	}
	return d.text != before
}
