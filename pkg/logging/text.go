package logging

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"go.uber.org/zap/zapcore"
)

// Widths of the columns of readable lines. The first is that of the longest name of a service that each host has.
const (
	prefixWidth = len("rootHttpRouter")
	levelWidth  = len("error")
)

// style is a colour of Backstage's readable lines: the codes that begin and end it.
type style struct{ begin, end string }

var (
	dim  = style{"\x1b[2m", "\x1b[22m"}
	blue = style{"\x1b[34m", "\x1b[39m"}
	cyan = style{"\x1b[36m", "\x1b[39m"}
)

func levelStyle(level zapcore.Level) style {
	switch {
	case level >= zapcore.ErrorLevel:
		return style{"\x1b[31m", "\x1b[39m"}
	case level == zapcore.WarnLevel:
		return style{"\x1b[33m", "\x1b[39m"}
	case level == zapcore.InfoLevel:
		return style{"\x1b[32m", "\x1b[39m"}
	}
	return style{"\x1b[90m", "\x1b[39m"}
}

// Colored reports whether what is written to a file is to have colours. FORCE_COLOR decides as in Node, then a NO_COLOR that
// is not empty (no-color.org) and TERM=dumb, and then whether the file is a terminal. lookup is os.LookupEnv.
func Colored(file *os.File, lookup func(string) (string, bool)) bool {
	if force, set := lookup("FORCE_COLOR"); set {
		return slices.Contains([]string{"", "1", "true", "2", "3"}, force)
	}
	no, _ := lookup("NO_COLOR")
	term, _ := lookup("TERM")
	if no != "" || term == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// readable returns the line of an entry as Backstage writes it in development: time, plugin or service, level, message,
// and fields as key=JSON. The first columns are aligned, and a stack is below. object has the fields as JSON. Each part
// goes into the line without its secrets and control characters, so that all colours there are our own.
func (s *Sink) readable(entry *zapcore.Entry, object []byte) []byte {
	secrets := s.striker.Load()
	members, prefix := split(escaped(string(secrets.strike(object))))
	out := &lineWriter{line: make([]byte, 0, 512), color: s.color}
	out.styled(dim, entry.Time.UTC().Format("2006-01-02T15:04:05.000Z"), 0)
	out.plain(" ")
	out.styled(blue, prefix, prefixWidth)
	out.plain(" ")
	out.styled(levelStyle(entry.Level), entry.Level.String(), levelWidth)
	out.plain(" ")
	out.plain(escaped(breaks.Replace(string(secrets.strike([]byte(entry.Message)))))) // a secret may have several lines
	for _, m := range members {
		out.plain(" ")
		out.styled(cyan, m.key, 0)
		out.plain("=")
		out.plain(m.value)
	}
	if entry.Stack != "" {
		out.plain("\n")
		out.plain(escaped(string(secrets.strike([]byte(entry.Stack)))))
	}
	return append(out.line, '\n')
}

// breaks escapes what would begin what looks like another entry.
var breaks = strings.NewReplacer("\n", `\n`, "\r", `\r`)

// escaped returns text without control characters, as Printable does.
func escaped(text string) string {
	if firstHidden(text) == len(text) {
		return text // the usual case
	}
	return string(Printable([]byte(text), false))
}

// member is a field of a readable line: its name, and its value in JSON.
type member struct{ key, value string }

// split returns the members of an object in JSON but for the plugin and the service. The prefix is the one or the other.
func split(object string) (members []member, prefix string) {
	var plugin, service string
	members = make([]member, 0, 8)
	rest := strings.TrimSuffix(strings.TrimPrefix(object, "{"), "}")
	for rest != "" {
		var m member
		m.key, m.value, rest = cutMember(rest)
		switch m.key {
		case "plugin":
			plugin = unquoted(m.value)
		case "service":
			service = unquoted(m.value)
		default:
			members = append(members, m)
		}
	}
	return members, cmp.Or(plugin, service, "-")
}

// cutMember returns the first of the members of an object, and those behind it. Whatever the text is, rest is shorter.
func cutMember(text string) (key, value, rest string) {
	end := textLength(text)
	key = unquoted(text[:end])
	text = strings.TrimPrefix(text[end:], ":")
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += textLength(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return key, text[:i], text[i+1:]
			}
		}
	}
	return key, text, ""
}

// unquoted returns a JSON string without its quotes, if nothing in it needs them. Any other value stays as it is.
func unquoted(value string) string {
	if n := len(value) - 1; n > 0 && value[0] == '"' && value[n] == '"' && !strings.ContainsAny(value[1:n], "\"\\ =") {
		return value[1:n]
	}
	return value
}

// lineWriter makes a readable line. It cuts a line that gets too long, and then takes nothing more.
type lineWriter struct {
	line  []byte
	color bool
	full  bool
}

// plain adds a text, or as much of it as there is room for.
func (w *lineWriter) plain(text string) {
	if room := maxLine - len(w.line); !w.full && len(text) > room {
		w.line = append(append(w.line, validPrefix([]byte(text), room)...), cut...)
		w.full = true
	} else if !w.full {
		w.line = append(w.line, text...)
	}
}

// styled adds a text with a colour, and blanks up to a width. It adds a whole text or nothing: a colour must end.
func (w *lineWriter) styled(s style, text string, width int) {
	if !w.color {
		s = style{}
	}
	pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
	if text = s.begin + text + s.end + pad; len(text) > maxLine-len(w.line) {
		w.plain(cut)
		w.full = true
		return
	}
	w.plain(text)
}
