package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// A node is one compiled schema.
type node struct {
	always, never bool     // the schemas true (or one without a rule) and false
	types         []string // of the values it takes; none for any
	typeText      string   // the types, for messages
	single        string   // the type where the schema has just one
	typeFirst     bool     // the type is checked, and the value coerced, before the keywords
	coerces       bool     // values of other types are converted
	used          [groups]bool
	checks        [groups][]check
}

// A check evaluates one keyword of a schema: it reports problems to e, and may coerce the value.
type check func(e *evaluation, at *cursor)

// Keywords are evaluated group by group, in this order. All but the first are for one type of value.
const (
	anyGroup = iota
	numberGroup
	stringGroup
	arrayGroup
	objectGroup
	groups
)

var groupTypes = [groups]string{"", "number", "string", "array", "object"}

// A compiler turns one root schema into nodes. It goes through the keywords in the order in which ajv
// generates code for them, so that it meets the same mistake first.
type compiler struct {
	root       any
	rootNode   *node
	meta       *node                       // the metaschema; nil while the metaschema itself is compiled
	ids        map[string]any              // the schemas within root by their $id
	functions  map[*appconfig.Object]*node // what references lead to, unless it is free of references itself
	keywords   []keyword
	vocabulary map[string]bool
}

// compileRoot checks root against the metaschema and compiles it. Without a metaschema root is a metaschema
// itself: it is trusted, and values are not coerced to its types.
func compileRoot(root any, meta *node) (*compiler, error) {
	if meta != nil {
		if err := checkDialect(root, meta); err != nil {
			return nil, err
		}
	}
	c := &compiler{root: root, meta: meta, rootNode: &node{}, keywords: keywords(), vocabulary: vocabulary()}
	c.ids, c.functions = map[string]any{}, map[*appconfig.Object]*node{}
	// The $id of a schema within root is a name for references, no more: nothing is resolved against it.
	walk(root, "", nil, func(schema *appconfig.Object, pointer string, _ *appconfig.Object) {
		if id, ok := text(schema, "$id"); ok && pointer != "" {
			c.ids[strings.TrimSuffix(id, "#")] = schema
		}
	})
	compiled, err := c.compile(root, "#")
	if err != nil {
		return nil, err
	}
	*c.rootNode = *compiled // references to "#" have the pointer already
	return c, nil
}

// configV1 is the $schema of a config schema that is not checked against any metaschema.
const configV1 = "https://backstage.io/schema/config-v1"

// isDraft07 tells whether uri is that of the one metaschema there is.
func isDraft07(uri string) bool {
	uri = strings.TrimSuffix(uri, "#")
	return uri == "http://json-schema.org/draft-07/schema" || uri == "http://json-schema.org/schema"
}

// checkDialect validates a schema against the metaschema it names.
func checkDialect(schema any, meta *node) error {
	switch schema.(type) {
	case nil, float64, string:
		return errors.New("schema must be object or boolean")
	}
	object, _ := schema.(*appconfig.Object)
	dialect, ok := object.Get("$schema")
	uri, isText := dialect.(string)
	switch {
	case ok && !isText:
		return errors.New("$schema must be a string")
	case strings.TrimSuffix(uri, "#") == configV1:
		return nil
	case uri != "" && !isDraft07(uri):
		return fmt.Errorf("no schema with key or ref %q", uri)
	}
	return meta.invalid("schema is invalid: ", schema)
}

// invalid reports what a metaschema finds wrong with a value, in one line.
func (n *node) invalid(prefix string, value any) error {
	e := &evaluation{all: true}
	e.visit(n, &cursor{value: value})
	if len(e.problems) == 0 {
		return nil
	}
	texts := make([]string, len(e.problems))
	for i, p := range e.problems {
		texts[i] = "data" + p.path + " " + p.message
	}
	return errors.New(prefix + strings.Join(texts, ", "))
}

// compile compiles a schema that errors name by path.
func (c *compiler) compile(schema any, path string) (*node, error) {
	object, ok := schema.(*appconfig.Object)
	if !ok {
		allowed, ok := schema.(bool)
		if !ok {
			return nil, errors.New("schema must be object or boolean")
		}
		return &node{always: allowed, never: !allowed}, nil
	}
	if live, err := c.live(object); err != nil || !live {
		return &node{always: true}, err
	}
	n := &node{coerces: c.meta != nil}
	if err := c.compileType(n, object); err != nil {
		return nil, err
	}
	// The order is that of evaluation, which is also the order in which ajv meets mistakes. A keyword that needs no
	// check still counts as used: it decides where a wrong type is reported.
	for i := range c.keywords {
		k := &c.keywords[i]
		value, ok := object.Get(k.name)
		if !ok {
			continue
		}
		if len(k.values) > 0 {
			if err := c.checkValue(k, value, path); err != nil {
				return nil, err
			}
		}
		if len(k.types) > 0 && !slices.Contains(k.types, typeOf(value)) {
			return nil, fmt.Errorf(`%s value must be ["%s"]`, k.name, strings.Join(k.types, `","`))
		}
		n.used[k.group] = true
		if k.compile == nil {
			continue
		}
		check, err := k.compile(&site{compiler: c, schema: object, name: k.name, value: value, path: path})
		if err != nil {
			return nil, err
		}
		if check != nil {
			n.checks[k.group] = append(n.checks[k.group], check)
		}
	}
	return n, nil
}

// live tells whether there is a rule in the schema, so that a value may fail it. A keyword that is not
// known is an error.
func (c *compiler) live(schema any) (bool, error) {
	object, ok := schema.(*appconfig.Object)
	if !ok {
		return schema != true, nil
	}
	live := false
	for _, key := range object.Keys() {
		rule, known := c.vocabulary[key]
		if !known {
			return false, fmt.Errorf("strict mode: unknown keyword: %s", quoted(key))
		}
		live = live || rule
	}
	return live, nil
}

// compileType reads the keywords "type" and "nullable".
func (c *compiler) compileType(n *node, schema *appconfig.Object) error {
	named, _ := schema.Get("type")
	list, ok := named.([]any)
	if !ok && named != nil {
		list = []any{named}
	}
	for _, item := range list {
		name, ok := item.(string)
		if !ok || !slices.Contains(jsonTypes, name) {
			return fmt.Errorf("type must be JSONType or JSONType[]: %s", toString(list))
		}
		n.types = append(n.types, name)
	}
	nullable, has := schema.Get("nullable")
	switch hasNull := slices.Contains(n.types, "null"); {
	case hasNull && nullable == false:
		return errors.New("type: null contradicts nullable: false")
	case !hasNull && has && len(n.types) == 0:
		return errors.New(`"nullable" cannot be used without "type"`)
	case !hasNull && nullable == true:
		n.types = append(n.types, "null")
		if ok { // ajv adds it to the schema's own list, where merging meets it
			named = append(slices.Clip(list), "null")
			schema.Set("type", named)
		}
	}
	n.typeText = toString(named)
	n.single, _ = named.(string)
	n.typeFirst = len(n.types) > 0
	if len(n.types) == 1 && (c.meta == nil || !coercible(n.types[0])) {
		// With keywords for this very type, a wrong one is reported in their place.
		n.typeFirst = !slices.ContainsFunc(c.keywords, func(k keyword) bool {
			_, ok := schema.Get(k.name)
			return ok && groupTypes[k.group] == n.types[0]
		})
	}
	return nil
}

var jsonTypes = []string{"string", "number", "integer", "boolean", "null", "object", "array"}

func coercible(name string) bool { return name != "object" && name != "array" }

// checkValue validates the value of one of Backstage's own keywords against what the keyword allows.
func (c *compiler) checkValue(k *keyword, value any, path string) error {
	var reasons []string
	if _, ok := value.(string); !ok {
		reasons = append(reasons, "data must be string")
	}
	if k.values[0] != anyText && !slices.Contains(k.values, value) {
		reasons = append(reasons, "data must be equal to one of the allowed values")
	}
	if len(reasons) == 0 {
		return nil
	}
	return fmt.Errorf("keyword %q value is invalid at path %s: %s", k.name, quoted(path), strings.Join(reasons, ", "))
}

// A site is the place of one keyword that is compiled.
type site struct {
	*compiler
	schema *appconfig.Object // which the keyword is part of
	name   string            // the keyword
	value  any               // of the keyword
	path   string            // of the schema
}

// sub compiles the keyword's value, a schema.
func (s *site) sub() (*node, error) { return s.compile(s.value, s.path+"/"+s.name) }

// subAt compiles the schema under key in the keyword's value.
func (s *site) subAt(key string, schema any) (*node, error) {
	return s.compile(schema, s.path+"/"+s.name+"/"+escapeFragment(key))
}

// liveSub is sub, but returns nil for a schema that takes any value. So does liveAt.
func (s *site) liveSub() (*node, error) {
	if live, err := s.live(s.value); err != nil || !live {
		return nil, err
	}
	return s.sub()
}

func (s *site) liveAt(key string, schema any) (*node, error) {
	if live, err := s.live(schema); err != nil || !live {
		return nil, err
	}
	return s.subAt(key, schema)
}
