package yaml

import (
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// constructor makes config values of YAML nodes, as npm's yaml makes them with its core schema, or with the
// rules of YAML 1.1 in a document that asks for them. The first problem is kept in err.
type constructor struct {
	from    *value.Source
	old     bool // YAML 1.1
	anchors map[*yaml.Node]*anchor
	copying int // inside the value of an alias, whose own aliases are counted already
	values  int
	err     *value.SyntaxError
}

// construct makes the value of a document whose root is given, nil for an empty one.
func (d *document) construct(root *yaml.Node, from *value.Source) (any, value.Position, *value.SyntaxError) {
	if root == nil {
		return nil, value.Position{Source: from, Line: 1, Column: 1}, nil
	}
	if len(d.hidden) > 0 {
		double, other := d.restorers()
		restore(root, double, other)
	}
	c := &constructor{from: from, old: d.old}
	value, pos := c.value(root)
	return value, pos, c.err
}

// restore puts what is hidden back into all scalars.
func restore(node *yaml.Node, double, other func(string) string) {
	if node.Style&yaml.DoubleQuotedStyle != 0 {
		node.Value = double(node.Value)
	} else {
		node.Value = other(node.Value)
	}
	for _, child := range node.Content {
		restore(child, double, other)
	}
}

// anchor counts the uses of an anchored node, so that a small document cannot make a huge value.
type anchor struct {
	open  bool // the node is being made
	count int  // it and its aliases so far
	depth int  // the most that an alias inside of it stands for; 0 where not known yet
}

// maxAliasCount is npm yaml's default.
const maxAliasCount = 100

func (c *constructor) fail(node *yaml.Node, problem string) {
	if c.err == nil || c.err.Late {
		c.err = &value.SyntaxError{Line: node.Line, Column: node.Column, Problem: problem}
	}
}

// failLate is fail for what npm's yaml finds only when it makes values of the nodes.
func (c *constructor) failLate(node *yaml.Node, problem string) {
	if c.err == nil {
		c.fail(node, problem)
		c.err.Late = true
	}
}

// value makes the value of a node.
func (c *constructor) value(node *yaml.Node) (any, value.Position) {
	pos := value.Position{Source: c.from, Line: int32(node.Line), Column: int32(node.Column)}
	if c.values++; c.values > value.MaxValues {
		c.fail(node, "more than "+strconv.Itoa(value.MaxValues)+" values")
	}
	if c.err != nil && !c.err.Late {
		return nil, pos
	}
	if node.Kind == yaml.AliasNode {
		return c.alias(node)
	}
	if node.Anchor != "" && c.copying == 0 {
		a := &anchor{open: true, count: 1}
		if c.anchors == nil {
			c.anchors = map[*yaml.Node]*anchor{}
		}
		c.anchors[node] = a
		defer func() { a.open = false }()
	}
	switch node.Kind {
	case yaml.SequenceNode:
		return c.sequence(node, pos)
	case yaml.MappingNode:
		return c.mapping(node, pos)
	}
	return c.scalar(node), pos
}

func (c *constructor) alias(node *yaml.Node) (any, value.Position) {
	a := c.anchors[node.Alias]
	switch {
	case a == nil:
		c.failLate(node, "Unresolved alias (the anchor must be set before the alias): "+node.Value)
		return nil, value.Position{}
	case a.open:
		c.failLate(node, "alias inside the collection that it names: "+node.Value)
		return nil, value.Position{}
	}
	if c.copying == 0 {
		c.count(node, a)
	}
	if c.err != nil {
		return nil, value.Position{}
	}
	c.copying++
	defer func() { c.copying-- }()
	return c.value(node.Alias)
}

func (c *constructor) count(node *yaml.Node, a *anchor) {
	a.count++
	if a.depth == 0 {
		a.depth = c.aliasDepth(node.Alias)
	}
	if a.count*a.depth > maxAliasCount {
		c.failLate(node, "Excessive alias count indicates a resource exhaustion attack")
	}
}

// aliasDepth returns the most that any alias in a node stands for, 1 for a node without aliases.
func (c *constructor) aliasDepth(node *yaml.Node) (most int) {
	switch node.Kind {
	case yaml.AliasNode:
		if a := c.anchors[node.Alias]; a != nil {
			return a.count * a.depth
		}
		return 0
	case yaml.ScalarNode:
		return 1
	}
	for _, item := range node.Content {
		most = max(most, c.aliasDepth(item))
	}
	return most
}

func (c *constructor) sequence(node *yaml.Node, pos value.Position) (any, value.Position) {
	array := make([]any, len(node.Content))
	pos.Items = make([]value.Position, len(node.Content))
	for i, item := range node.Content {
		array[i], pos.Items[i] = c.value(item)
		if isBareKey(node, item) {
			pair := &value.Object{}
			pair.SetAt("", nil, pos.Items[i])
			array[i] = pair
		}
	}
	if tag := tagOf(node); tag == "!!omap" || tag == "!!pairs" {
		return c.pairs(node, array, pos, tag)
	}
	return array, pos
}

// pairs makes what !!pairs and !!omap stand for. JavaScript's Map has no properties of its own, so nothing
// is left of an !!omap.
func (c *constructor) pairs(node *yaml.Node, array []any, pos value.Position, tag string) (any, value.Position) {
	keys := keySet{}
	for i, item := range node.Content {
		key := item
		switch {
		case item.Kind == yaml.MappingNode && len(item.Content) > 2:
			c.fail(node, "Each pair must have its own sequence indicator")
		case item.Kind == yaml.MappingNode && len(item.Content) == 2:
			key = item.Content[0]
		default:
			pair, name := &value.Object{}, ""
			if item.Kind != yaml.MappingNode {
				name = c.key(node, item)
			}
			pair.Set(name, nil)
			array[i] = pair
		}
		if key.Kind == yaml.ScalarNode && tag == "!!omap" {
			if value := c.scalar(key); keys.add(value) {
				c.fail(node, "Ordered maps must not include duplicate keys: "+keyText(value))
			}
		}
	}
	if tag == "!!omap" {
		pos.Items = nil
		return &value.Object{}, pos
	}
	return array, pos
}

func (c *constructor) mapping(node *yaml.Node, pos value.Position) (any, value.Position) {
	object := value.NewObject(len(node.Content) / 2)
	var keys keySet // made when two keys have the same text, hence hardly ever
	isSet := tagOf(node) == "!!set"
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if c.isMerge(key) {
			c.mergeInto(object, value)
			continue
		}
		name := c.key(node, key)
		if keys == nil && object.Has(name) {
			keys = keySet{}
			for j := 0; j < i; j += 2 {
				c.isRepeated(keys, node, j)
			}
		}
		if keys != nil && c.isRepeated(keys, node, i) {
			c.fail(keyStart(node, i), "Map keys must be unique")
		}
		made, at := c.value(value)
		if isSet && made != nil {
			c.fail(node, "Set items must all have null values")
		}
		object.SetAt(name, made, at)
	}
	if isSet {
		return &value.Object{}, pos // a JavaScript Set has no properties of its own
	}
	return object, pos
}

// keyStart returns the node that npm's yaml names for a key: the value before it where that is missing and ends the
// line before.
func keyStart(mapping *yaml.Node, place int) *yaml.Node {
	key := mapping.Content[place]
	if place == 0 || mapping.Style&yaml.FlowStyle != 0 || key.Anchor != "" || tagOf(key) != "" {
		return key
	}
	last := lastNode(mapping.Content[place-1])
	if isMissing(last) && last.Line == key.Line-1 && mapping.Content[place-2].LineComment == "" {
		return last
	}
	return key
}

// keySet holds the values of the scalar keys of a mapping: 16 and 0x10 are the same, 1 and "1" are not.
type keySet map[any]bool

// add adds a value, and tells whether it was there.
func (s keySet) add(value any) bool {
	known := s[value]
	s[value] = true
	return known
}

// isRepeated adds the value of the scalar key at a place of a mapping, and tells whether it was there.
func (c *constructor) isRepeated(keys keySet, node *yaml.Node, place int) bool {
	switch key := node.Content[place]; {
	case key.Kind != yaml.ScalarNode || c.isMerge(key):
		return false
	case isBareKey(node, key):
		return keys.add(nil)
	default:
		return keys.add(c.scalar(key))
	}
}

// isMerge tells whether a key merges mappings: only one that is tagged so does in YAML 1.2.
func (c *constructor) isMerge(key *yaml.Node) bool {
	if key.Kind != yaml.ScalarNode {
		return false
	}
	return tagOf(key) == "!!merge" || c.old && key.Value == "<<" && key.Style&quoted == 0
}

// mergeInto adds to object what it lacks of a mapping, or of each mapping in a sequence.
func (c *constructor) mergeInto(object *value.Object, node *yaml.Node) {
	sources := []*yaml.Node{node}
	if target := resolveAlias(node); target.Kind == yaml.SequenceNode {
		sources = target.Content
	}
	for _, item := range sources {
		made, _ := c.value(item)
		from, ok := made.(*value.Object)
		if !ok {
			c.failLate(item, "Merge sources must be maps or map aliases")
			return
		}
		for key, part := range from.All() {
			if !object.Has(key) {
				object.SetAt(key, part, from.Position(key))
			}
		}
	}
}

func resolveAlias(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}
