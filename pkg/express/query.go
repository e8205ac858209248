package express

import (
	"strings"

	"github.com/understudy-host/understudy/pkg/js"
)

// MaxParameters is the most parameters that ParseQuery reads; the rest is ignored.
const MaxParameters = 1000

// Query holds the parameters of a query string or a form: their values, in order, by name. Nested names are
// kept as they are written, "x[]" and "x[key]", except that a list index counts as "[]".
type Query map[string][]string

// ParseQuery parses a query string or a form as npm's qs does. It never fails: a semicolon is a character like
// any other, and a value that does not decode is kept as it is.
func ParseQuery(raw string) Query {
	query := make(Query)
	for i, pair := range strings.SplitN(raw, "&", MaxParameters+1) {
		if pair == "" || i == MaxParameters {
			continue
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(pair, "+", " "), "=")
		name = js.DecodeURIComponent(name)
		if list, index, ok := strings.Cut(name, "["); ok && index != "" && strings.Trim(index, "[]0123456789") == "" {
			name = list + "[]"
		}
		query[name] = append(query[name], js.DecodeURIComponent(value))
	}
	return query
}

// Lookup returns a parameter as `req.query.name?.toString()` does, and reports whether it is there: values of a
// repeated parameter and of a list are joined with commas, and an object is "[object Object]".
func (q Query) Lookup(name string) (value string, ok bool) {
	values := append(append([]string(nil), q[name]...), q[name+"[]"]...)
	for key := range q {
		if strings.HasPrefix(key, name+"[") && key != name+"[]" {
			values = append(values, "[object Object]")
		}
	}
	return strings.Join(values, ","), len(values) > 0
}

// Get is Lookup for callers that treat a missing parameter and an empty one alike.
func (q Query) Get(name string) string {
	value, _ := q.Lookup(name)
	return value
}

// Single returns a parameter that is there exactly once and is a string, otherwise "".
func (q Query) Single(name string) string {
	if value := q.Get(name); len(q[name]) == 1 && q[name][0] == value {
		return value
	}
	return ""
}
