package appconfig

import (
	"regexp"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// text substitutes the variables in a string, and adds their names to its position.
func (t *transformer) text(s string, pos value.Position) (any, value.Position, bool) {
	if !strings.Contains(s, "${") {
		return s, pos, true
	}
	text, used, ok := t.substitute(s)
	return text, withVariables(pos, used), ok
}

// withVariables adds the names of variables to the position of a value that was made with them.
func withVariables(pos value.Position, names []string) value.Position {
	if len(names) > 0 {
		pos.Source = &value.Source{Path: pos.Source.Path, Variables: names, Parent: pos.Source.Parent}
	}
	return pos
}

// reference matches ${…}, and $${…}, its escaped form. Of nested braces only the innermost match.
var reference = regexp.MustCompile(`\$?\$\{[^{}]*\}`)

// substitute replaces every ${NAME} and ${NAME:-default} in a string, and turns $${…} into ${…}. ok is false if a
// variable without a default is not set.
func (t *transformer) substitute(s string) (out string, used []string, ok bool) {
	var missing []string
	seen, lacks := map[string]bool{}, map[string]bool{}
	ok = true
	out = reference.ReplaceAllStringFunc(s, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		name, fallback, hasFallback := strings.Cut(found[2:len(found)-1], ":-")
		name, fallback = js.Trim(name), js.Trim(fallback)
		text, set := t.environ.lookup(name)
		switch {
		case hasFallback && text == "":
			text, set = fallback, fallback != ""
		case !set && !lacks[name]:
			lacks[name], missing = true, append(missing, name)
		}
		ok = ok && set
		if !seen[name] {
			seen[name], used = true, append(used, name)
		}
		return text
	})
	if len(missing) > 0 {
		t.miss(missing)
	}
	if !ok {
		return "", used, false
	}
	return out, used, true
}
