package schema

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// A node is a compiled schema.
type node struct {
	always, never bool // accepts any value, or none
	schema        *value.Object
	path          string   // of the schema, for errors
	types         []string // allowed types; any if empty
	typeFirst     bool     // check the type and coerce the value before the keywords
	rules         [groups][]*rule
}

// A rule is one keyword of a schema, with its value.
type rule struct {
	*keyword
	in    *node
	value any
	subs  []sub // schemas in the value
}

// A sub is a schema in the value of a keyword, with its key or index there.
type sub struct {
	*node
	value   any
	key     string     // "" if the value of the keyword is the schema
	pattern *js.RegExp // the key in patternProperties, or the value of "pattern"
}

// rule returns a rule of the schema, empty if there is none.
func (n *node) rule(group int, name string) *rule {
	for _, r := range n.rules[group] {
		if r.name == name {
			return r
		}
	}
	return &rule{}
}

// declared returns the schemas of a property in "properties" and "patternProperties".
func (n *node) declared(key string) (found []*node) {
	for _, s := range slices.Concat(n.rule(objectGroup, "properties").subs, n.rule(objectGroup, "patternProperties").subs) {
		if s.pattern == nil && s.key == key || s.pattern != nil && s.pattern.Test(key) {
			found = append(found, s.node)
		}
	}
	return found
}

// A compiler turns a root schema into nodes. It visits keywords in the order in which ajv generates code for them, so
// that it reports the same mistake first.
type compiler struct {
	root    any
	targets map[*value.Object]*node // the schemas that references lead to
}

// compileRoot compiles root. It checks it against the metaschema first, unless that is nil.
func compileRoot(root any, meta *node) (*node, error) {
	if kind := value.TypeOf(root); meta != nil && (kind == "object" || kind == "array") {
		if err := checkDialect(root, meta); err != nil {
			return nil, err
		}
	}
	c := &compiler{root: root, targets: map[*value.Object]*node{}}
	return c.target("#")
}

// checkDialect validates a schema against draft 7. A schema that names Backstage's metaschema is not checked.
func checkDialect(root any, meta *node) error {
	object, _ := root.(*value.Object)
	uri, _ := stringAt(object, "$schema")
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

// compile compiles a schema. path names it in errors.
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
	// A keyword without an evaluation still is a rule: it decides where a wrong type is reported.
	for i := range keywords {
		k := &keywords[i]
		v, ok := object.Get(k.name)
		if !ok {
			continue
		}
		if k.types != "" && !slices.Contains(strings.Fields(k.types), value.TypeOf(v)) {
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

// subs compiles the schemas in a rule.
func (c *compiler) subs(r *rule) ([]sub, error) {
	switch r.name {
	case "$ref":
		n, err := c.target(r.value.(string))
		return []sub{{node: n}}, err
	case "pattern":
		p, err := js.NewRegExp(r.value.(string), "u")
		return []sub{{pattern: p}}, err
	}
	subs, anyLive := within(r.name, r.value), false
	for _, s := range subs {
		live, err := isLive(s.value)
		if err != nil {
			return nil, err
		}
		if anyLive = anyLive || live; r.name == "anyOf" && !live {
			return nil, nil // any value matches
		}
	}
	var err error
	for i := range subs {
		s, path := &subs[i], r.in.path+"/"+r.name
		if s.key != "" {
			path += "/" + js.EncodeURIComponent(escapePointer(s.key))
		}
		if r.name == "patternProperties" {
			if s.pattern, err = r.pattern(s.key, anyLive); s.pattern == nil {
				return nil, err
			}
		}
		if s.node, err = c.compile(s.value, path); err != nil {
			return nil, err
		}
	}
	return subs, nil
}

// pattern compiles a key of patternProperties. It returns nil if the key is wrong but ajv does not look at it,
// because no value can fail the rule.
func (r *rule) pattern(key string, live bool) (*js.RegExp, error) {
	p, err := js.NewRegExp(key, "u")
	if err != nil && !live && !r.in.schema.Has("additionalProperties") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for name := range inner(r.in.schema, "properties").All() {
		if live && p.Test(name) {
			return nil, fmt.Errorf("strict mode: property %s matches pattern %s (use allowMatchingProperties)", name, key)
		}
	}
	return p, nil
}

// isLive reports whether a value may fail a schema, because it has a rule. An unknown keyword is an error.
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

// target compiles the schema that a reference leads to.
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
	// The node is stored before it is compiled, so that the schema can refer to itself.
	n := &node{}
	c.targets[object] = n
	path := ref
	if hasRef(object) {
		path = "#" // ajv compiles it to a function of its own, in which paths start again
	}
	compiled, err := c.compile(object, path)
	if err == nil {
		*n = *compiled
	}
	return n, err
}

// resolve returns the schema that a reference leads to, which must be in the root schema: nothing is fetched.
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

// hasRef reports whether a schema contains a reference.
func hasRef(schema any) bool {
	switch v := schema.(type) {
	case []any:
		return slices.ContainsFunc(v, hasRef)
	case *value.Object:
		for key, item := range v.All() {
			if key == "$ref" || hasRef(item) {
				return true
			}
		}
	}
	return false
}
