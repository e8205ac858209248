package appconfig

import (
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// text substitutes the variables in a string, and adds them to its position.
func (t *transformer) text(s string, pos value.Position) (any, value.Position, bool) {
	if !strings.Contains(s, "${") {
		return s, pos, true
	}
	text, used, ok := t.substitute(s)
	return text, withVariables(pos, used), ok
}

// withVariables returns the position of a value that variables went into.
func withVariables(pos value.Position, names []string) value.Position {
	if len(names) > 0 {
		pos.Source = &value.Source{Path: pos.Source.Path, Variables: names, Parent: pos.Source.Parent}
	}
	return pos
}

// substitute replaces every ${NAME} and ${NAME:-default} in a string, and $${…} by ${…}. ok is false if a variable
// without a default is not set.
func (t *transformer) substitute(s string) (out string, used []string, ok bool) {
	var b strings.Builder
	var missing []string
	seen := map[string]bool{}
	ok = true
	done, next := 0, 0 // what is written, and where to look
	for {
		start := strings.Index(s[next:], "${")
		if start < 0 {
			break
		}
		start += next
		end := strings.IndexAny(s[start+2:], "{}")
		if end < 0 {
			break
		}
		if end += start + 2; s[end] == '{' {
			next = end - 1 // the innermost braces count
			continue
		}
		next = end + 1
		if start > done && s[start-1] == '$' {
			b.WriteString(s[done : start-1])
			b.WriteString(s[start:next])
			done = next
			continue
		}
		b.WriteString(s[done:start])
		done = next
		name, fallback, hasFallback := strings.Cut(s[start+2:end], ":-")
		name, fallback = js.Trim(name), js.Trim(fallback)
		text, set := t.environ.lookup(name)
		if !seen[name] {
			seen[name], used = true, append(used, name)
		}
		switch {
		case hasFallback && text == "":
			text, set = fallback, fallback != ""
		case !set && !slices.Contains(missing, name):
			missing = append(missing, name)
		}
		ok = ok && set
		b.WriteString(text)
	}
	if len(missing) > 0 {
		t.miss(missing)
	}
	if !ok {
		return "", used, false
	}
	b.WriteString(s[done:])
	return b.String(), used, true
}
