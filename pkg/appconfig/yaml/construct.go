package yaml

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// constructor makes config values of YAML nodes as npm's yaml does with its core schema, or with the rules of YAML
// 1.1 if the document asks for them. It keeps the first problem in err.
type constructor struct {
	from   *value.Source
	old    bool                // YAML 1.1
	open   map[*yaml.Node]bool // anchored nodes whose values are being made
	values int
	size   int // of all scalars, in bytes
	err    error
}

// maxSize limits the size of all scalars: aliases may repeat a scalar many times.
const maxSize = 16 << 20

// construct returns the value of a document with the given root, which is nil for an empty document.
func construct(root *yaml.Node, d *document, from *value.Source) (any, value.Position, error) {
	if root == nil {
		return nil, value.Position{Source: from, Line: 1, Column: 1}, nil
	}
	if len(d.standIns) > 0 {
		double, other := d.restorers()
		restore(root, double, other)
	}
	c := &constructor{from: from, old: d.old, open: map[*yaml.Node]bool{}}
	made, pos := c.value(root)
	if c.err != nil {
		return nil, value.Position{}, c.err
	}
	return made, pos, nil
}

// restore restores the originals in all scalars.
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

// fail keeps the first problem.
func (c *constructor) fail(node *yaml.Node, problem string) {
	if c.err == nil {
		c.err = problemAt(node, problem)
	}
}

// value makes the value of a node.
func (c *constructor) value(node *yaml.Node) (any, value.Position) {
	pos := value.Position{Source: c.from, Line: int32(node.Line), Column: int32(node.Column)}
	c.values, c.size = c.values+1, c.size+len(node.Value)
	if c.values > value.MaxValues || c.size > maxSize {
		c.fail(node, fmt.Sprintf("more than %d values, or %d bytes, with aliases followed", value.MaxValues, maxSize))
	}
	if c.err != nil {
		return nil, pos
	}
	if node.Kind == yaml.AliasNode {
		if c.open[node.Alias] {
			c.fail(node, "alias inside the collection that it names")
			return nil, pos
		}
		return c.value(node.Alias)
	}
	if node.Anchor != "" {
		c.open[node] = true
		defer delete(c.open, node)
	}
	switch node.Kind {
	case yaml.SequenceNode:
		return c.sequence(node, pos)
	case yaml.MappingNode:
		return c.mapping(node, pos)
	}
	return c.scalar(node), pos
}

func (c *constructor) sequence(node *yaml.Node, pos value.Position) (any, value.Position) {
	array := make([]any, len(node.Content))
	pos.Items = make([]value.Position, len(node.Content))
	for i, item := range node.Content {
		array[i], pos.Items[i] = c.value(item)
	}
	if tagOf(node) == "!!omap" {
		return &value.Object{}, pos // a JavaScript Map has no properties of its own
	}
	return array, pos
}

func (c *constructor) mapping(node *yaml.Node, pos value.Position) (any, value.Position) {
	object := value.NewObject(len(node.Content) / 2)
	merged := map[string]bool{} // keys from a merge, which an ordinary key may replace
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, item := node.Content[i], node.Content[i+1]
		if c.isMerge(key) {
			c.mergeInto(object, merged, item)
			continue
		}
		name := c.key(key)
		if key.Kind == yaml.ScalarNode && object.Has(name) && !merged[name] {
			c.fail(key, "Map keys must be unique")
		}
		delete(merged, name)
		made, at := c.value(item)
		object.SetAt(name, made, at)
	}
	if tagOf(node) == "!!set" {
		return &value.Object{}, pos // nor has a JavaScript Set
	}
	return object, pos
}

// isMerge reports whether a key merges mappings. In YAML 1.2 only one with the tag !!merge does.
func (c *constructor) isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode &&
		(tagOf(key) == "!!merge" || c.old && key.Value == "<<" && key.Style&quoted == 0)
}

// mergeInto adds to object the keys that it lacks of a mapping, or of each mapping in a sequence.
func (c *constructor) mergeInto(object *value.Object, merged map[string]bool, node *yaml.Node) {
	sources := []*yaml.Node{node}
	if target := resolveAlias(node); target.Kind == yaml.SequenceNode {
		sources = target.Content
	}
	for _, item := range sources {
		made, _ := c.value(item)
		from, ok := made.(*value.Object)
		if !ok {
			c.fail(item, "Merge sources must be maps or map aliases")
			return
		}
		for key, part := range from.All() {
			if !object.Has(key) {
				object.SetAt(key, part, from.Position(key))
				merged[key] = true
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

// key returns a key as the string that JavaScript makes of it. A collection is written as JSON.
func (c *constructor) key(node *yaml.Node) string {
	var made any
	if target := resolveAlias(node); target.Kind == yaml.ScalarNode {
		made = c.scalar(target)
	} else {
		made, _ = c.value(node)
	}
	switch made := made.(type) {
	case nil:
		return ""
	case string:
		return made
	case bool:
		return strconv.FormatBool(made)
	case float64:
		return js.FormatNumber(made)
	}
	if tagOf(node) == "!!binary" {
		return js.DecodeUTF8(decodeBase64(node.Value))
	}
	return string(value.FormatJSON(made))
}
