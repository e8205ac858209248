package schema

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dlclark/regexp2"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// A node is one compiled schema.
type node struct {
	always, never bool // the schemas true (or one without a rule) and false
	schema        *value.Object
	path          string   // of the schema, for messages
	types         []string // of the values it takes; none for any
	typeFirst     bool     // the type is checked, and the value coerced, before the keywords
	rules         [groups][]*rule
}

// A rule is one keyword of a schema, with its value.
type rule struct {
	*keyword
	in    *node
	value any
	subs  []sub // the schemas in the value
}

// A sub is a schema in the value of a keyword, by its key or its index there.
type sub struct {
	*node
	key     string
	pattern *regexp2.Regexp // that the key is, in patternProperties; or that the keyword's value is
}

// rule returns the schema's rule of a name; without one it is empty.
func (n *node) rule(group int, name string) *rule {
	for _, r := range n.rules[group] {
		if r.name == name {
			return r
		}
	}
	return &rule{}
}

// declared returns the schemas that "properties" and "patternProperties" have for a property.
func (n *node) declared(key string) (found []*node) {
	for _, s := range slices.Concat(n.rule(objectGroup, "properties").subs, n.rule(objectGroup, "patternProperties").subs) {
		if s.pattern == nil && s.key == key || s.pattern != nil && matches(s.pattern, key) {
			found = append(found, s.node)
		}
	}
	return found
}

// A compiler turns one root schema into nodes. It goes through the keywords in the order in which ajv
// generates code for them, so that it meets the same mistake first.
type compiler struct {
	root    any
	targets map[*value.Object]*node // what references lead to
}

// compileRoot checks root against the metaschema, if there is one, and compiles it.
func compileRoot(root any, meta *node) (*node, error) {
	if kind := typeOf(root); meta != nil && (kind == "object" || kind == "array") {
		if err := checkDialect(root, meta); err != nil {
			return nil, err
		}
	}
	c := &compiler{root: root, targets: map[*value.Object]*node{}}
	return c.target("#")
}

// checkDialect validates a schema against the metaschema it names. One of Backstage's own is not checked.
func checkDialect(root any, meta *node) error {
	object, _ := root.(*value.Object)
	uri, _ := text(object, "$schema")
	switch strings.TrimSuffix(uri, "#") {
	case "https://backstage.io/schema/config-v1":
		return nil
	case "", "http://json-schema.org/draft-07/schema", "http://json-schema.org/schema":
	default:
		return fmt.Errorf("no schema with key or ref %q", uri)
	}
	e := &evaluation{all: true}
	e.visit(meta, &cursor{value: root})
	if len(e.problems) == 0 {
		return nil
	}
	texts := make([]string, len(e.problems))
	for i, p := range e.problems {
		texts[i] = "data" + p.path + " " + p.message
	}
	return errors.New("schema is invalid: " + strings.Join(texts, ", "))
}

// compile compiles a schema that errors name by path.
func (c *compiler) compile(schema any, path string) (*node, error) {
	live, err := isLive(schema)
	if err != nil || !live {
		return &node{always: true}, err
	}
	object, ok := schema.(*value.Object)
	if !ok {
		return &node{never: true}, nil
	}
	n := &node{schema: object, path: path}
	if err := n.setTypes(); err != nil {
		return nil, err
	}
	// A keyword that evaluates nothing still counts as a rule: it decides where a wrong type is reported.
	for i := range keywords {
		k := &keywords[i]
		v, ok := object.Get(k.name)
		if !ok {
			continue
		}
		if k.types != "" && !slices.Contains(strings.Fields(k.types), typeOf(v)) {
			return nil, fmt.Errorf(`%s value must be ["%s"]`, k.name, strings.ReplaceAll(k.types, " ", `","`))
		}
		r := &rule{keyword: k, in: n, value: v}
		if err := r.check(); err != nil {
			return nil, err
		}
		if r.subs, err = c.subs(r); err != nil {
			return nil, err
		}
		n.rules[k.group] = append(n.rules[k.group], r)
	}
	return n, nil
}

// subs compiles the schemas in a rule, once all of them have been looked at.
func (c *compiler) subs(r *rule) (subs []sub, err error) {
	switch r.name {
	case "$ref":
		n, err := c.target(r.value.(string))
		return []sub{{node: n}}, err
	case "pattern":
		p, err := newPattern(r.value.(string))
		return []sub{{pattern: p}}, err
	}
	members, anyLive := within(r.name, r.value), false
	for _, m := range members {
		live, err := isLive(m.schema)
		if err != nil {
			return nil, err
		}
		if anyLive = anyLive || live; r.name == "anyOf" && !live {
			return nil, nil // all values fit
		}
	}
	for _, m := range members {
		s, path := sub{key: m.key}, r.in.path+"/"+r.name
		if m.key != "" {
			path += "/" + js.EncodeURIComponent(escapePointer(m.key))
		}
		if r.name == "patternProperties" {
			if s.pattern, err = newPattern(m.key); err != nil {
				if _, closed := r.in.schema.Get("additionalProperties"); closed || anyLive {
					return nil, err
				}
				return nil, nil // ajv does not look at the patterns
			}
			for name := range entries(inner(r.in.schema, "properties")) {
				if anyLive && matches(s.pattern, name) {
					return nil, fmt.Errorf("strict mode: property %s matches pattern %s (use allowMatchingProperties)", name, m.key)
				}
			}
		}
		if s.node, err = c.compile(m.schema, path); err != nil {
			return nil, err
		}
		subs = append(subs, s)
	}
	return subs, nil
}

// isLive tells whether there is a rule in the schema, so that a value may fail it. A keyword that is not
// known is an error.
func isLive(schema any) (live bool, err error) {
	object, ok := schema.(*value.Object)
	if _, isBool := schema.(bool); !ok && !isBool {
		return false, errors.New("schema must be object or boolean")
	}
	for _, key := range object.Keys() {
		if slices.ContainsFunc(keywords, func(k keyword) bool { return k.name == key }) {
			live = true
		} else if !slices.Contains(annotations, key) {
			return false, fmt.Errorf("strict mode: unknown keyword: \"%s\"", key)
		}
	}
	return live || schema == false, nil
}

// target compiles what a reference leads to.
func (c *compiler) target(ref string) (*node, error) {
	schema, ok := c.resolve(ref)
	if !ok {
		return nil, fmt.Errorf("can't resolve reference %s from id #", ref)
	}
	object, ok := schema.(*value.Object)
	if !ok {
		return c.compile(schema, ref)
	}
	if n, ok := c.targets[object]; ok {
		return n, nil
	}
	// It is stored before it is compiled, so that a reference to itself finds it.
	n := &node{}
	c.targets[object] = n
	path := ref
	if hasRef(object) {
		path = "#" // ajv makes a function of it, in which paths start again
	}
	compiled, err := c.compile(object, path)
	if err == nil {
		*n = *compiled
	}
	return n, err
}

// resolve returns what a reference leads to. Nothing is fetched: it must be in the schema itself.
func (c *compiler) resolve(ref string) (schema any, ok bool) {
	parts := strings.Split(strings.TrimSuffix(ref, "/"), "/")
	schema, ok = c.root, parts[0] == "#"
	for _, part := range parts[1:] {
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		switch parent := schema.(type) {
		case *value.Object:
			schema, _ = parent.Get(strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~"))
		case []any:
			i, err := strconv.Atoi(part)
			if schema = nil; err == nil && i >= 0 && i < len(parent) {
				schema = parent[i]
			}
		default:
			return nil, false
		}
	}
	return schema, ok && (schema != nil || ref == "#")
}

// hasRef tells whether there is a reference anywhere in a schema.
func hasRef(schema any) bool {
	switch v := schema.(type) {
	case []any:
		return slices.ContainsFunc(v, hasRef)
	case *value.Object:
		for key, item := range entries(v) {
			if key == "$ref" || hasRef(item) {
				return true
			}
		}
	}
	return false
}
