package schema

import (
	"errors"
	"fmt"
	"slices"
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
	typeGroup     int      // the group of keywords in whose place a wrong type is reported
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

// describes reports whether a sub of "properties" or "patternProperties" is for a property.
func (s *sub) describes(key string) bool {
	return s.pattern == nil && s.key == key || s.pattern != nil && s.pattern.Test(key)
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
		if s.describes(key) {
			found = append(found, s.node)
		}
	}
	return found
}

// A compiler turns a root schema into nodes. It visits keywords in the order in which ajv generates code for them, so
// that it reports the same mistake first.
type compiler struct {
	root    any
	targets map[string]*node // the schemas that references lead to, by reference
}

// compileRoot compiles root. It checks it against the metaschema first, except for null, which compile refuses.
func compileRoot(root any, meta *node) (*node, error) {
	if err := checkDialect(root, meta); err != nil && root != nil {
		return nil, err
	}
	n := &node{}
	c := &compiler{root: root, targets: map[string]*node{"#": n}}
	return n, c.compile(n, root, "#")
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
	e := &evaluation{}
	e.visit(meta, &cursor{value: root})
	var texts []string
	for _, p := range e.problems {
		texts = append(texts, "data"+p.path+" "+p.message)
	}
	if texts == nil {
		return nil
	}
	return errors.New("schema is invalid: " + strings.Join(texts, ", "))
}

// compile compiles a schema into a node. path names the schema in errors.
func (c *compiler) compile(n *node, schema any, path string) error {
	live, err := isLive(schema)
	if err != nil {
		return err
	}
	object, _ := schema.(*value.Object)
	*n = node{always: !live, never: schema == false, schema: object, path: path}
	if err := n.setTypes(); err != nil {
		return err
	}
	// A keyword without an evaluation still is a rule: it decides where a wrong type is reported.
	for i := range keywords {
		k := &keywords[i]
		v, ok := object.Get(k.name)
		if !ok {
			continue
		}
		if k.types != "" && !slices.Contains(strings.Fields(k.types), value.TypeOf(v)) {
			return fmt.Errorf(`%s value must be ["%s"]`, k.name, strings.ReplaceAll(k.types, " ", `","`))
		}
		r := &rule{keyword: k, in: n, value: v}
		if err := r.check(); err != nil {
			return err
		}
		if r.subs, err = c.subs(r); err != nil {
			return err
		}
		n.rules[k.group] = append(n.rules[k.group], r)
		// ajv checks the type before all keywords, unless there are keywords for this very type and it cannot be coerced.
		if k.group >= arrayGroup && slices.Equal(n.types, []string{groupTypes[k.group]}) {
			n.typeGroup = k.group
		}
	}
	return nil
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
		if err != nil || !live && r.name == "anyOf" {
			return nil, err // without an error, any value matches
		}
		anyLive = anyLive || live
	}
	for i := range subs {
		s, path := &subs[i], r.in.path+"/"+r.name
		if s.key != "" {
			path += "/" + js.EncodeURIComponent(escapePointer(s.key))
		}
		if r.name == "patternProperties" {
			if err := s.setPattern(r.in.schema, anyLive); err != nil {
				return nil, err
			}
		}
		s.node = &node{}
		if err := c.compile(s.node, s.value, path); err != nil {
			return nil, err
		}
	}
	return subs, nil
}

// setPattern compiles a key of patternProperties. If a value may fail one of the schemas there, it must not match a
// property that the schema declares. Otherwise ajv does not look at it, unless there are additionalProperties.
func (s *sub) setPattern(schema *value.Object, live bool) (err error) {
	if s.pattern, err = js.NewRegExp(s.key, "u"); err != nil && (live || schema.Has("additionalProperties")) {
		return err
	}
	for name := range inner(schema, "properties").All() {
		if live && s.pattern.Test(name) {
			return fmt.Errorf("strict mode: property %s matches pattern %s (use allowMatchingProperties)", name, s.key)
		}
	}
	return nil
}

// isLive reports whether a value may fail a schema, because the schema is false or has a keyword. An unknown keyword is
// an error.
func isLive(schema any) (live bool, err error) {
	object, ok := schema.(*value.Object)
	if _, isBool := schema.(bool); !ok && !isBool {
		return false, errors.New("schema must be object or boolean")
	}
	live = schema == false
	for key := range object.All() {
		isKeyword := slices.ContainsFunc(keywords, func(k keyword) bool { return k.name == key })
		if !isKeyword && !slices.Contains(annotations, key) {
			return false, fmt.Errorf("strict mode: unknown keyword: \"%s\"", key)
		}
		live = live || isKeyword
	}
	return live, nil
}

// target compiles the schema that a reference leads to. It must be in the root schema: nothing is fetched.
func (c *compiler) target(ref string) (*node, error) {
	if n, ok := c.targets[ref]; ok {
		return n, nil
	}
	schema, parts := c.root, strings.Split(strings.TrimSuffix(ref, "/"), "/")
	for _, part := range parts[1:] {
		schema, _ = asObject(schema).Get(unescapePointer(js.DecodeURIComponent(part)))
	}
	if schema == nil || parts[0] != "#" {
		return nil, fmt.Errorf("can't resolve reference %s from id #", ref)
	}
	path := ref
	if hasRef(schema) {
		path = "#" // ajv compiles it to a function of its own, in which paths start again
	}
	// The node is stored before it is compiled, so that the schema can refer to itself.
	n := &node{}
	c.targets[ref] = n
	return n, c.compile(n, schema, path)
}

// hasRef reports whether a schema contains a reference.
func hasRef(schema any) bool {
	for key, item := range asObject(schema).All() {
		if key == "$ref" || hasRef(item) {
			return true
		}
	}
	return false
}
