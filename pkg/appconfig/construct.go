package appconfig

import (
	"strconv"

	"go.yaml.in/yaml/v4"
)

// constructor makes config values of YAML nodes.
type constructor struct {
	from *source
	err  error
}

func (c *constructor) value(node *yaml.Node) (any, position) {
	pos := position{from: c.from, line: int32(node.Line), column: int32(node.Column)}
	switch node.Kind {
	case yaml.AliasNode:
		return c.value(node.Alias)
	case yaml.SequenceNode:
		array := make([]any, len(node.Content))
		pos.items = make([]position, len(node.Content))
		for i, item := range node.Content {
			array[i], pos.items[i] = c.value(item)
		}
		return array, pos
	case yaml.MappingNode:
		object := &Object{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := c.key(node.Content[i])
			value, at := c.value(node.Content[i+1])
			object.set(key, value, at)
		}
		return object, pos
	}
	return c.scalar(node), pos
}

func (c *constructor) key(node *yaml.Node) string {
	value, _ := c.value(node)
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return formatNumber(v)
	}
	return ""
}

func (c *constructor) scalar(node *yaml.Node) any {
	if node.Style&^yaml.TaggedStyle != 0 {
		return node.Value
	}
	return coreScalar(node.Value)
}

// coreScalar returns the value of a plain scalar in YAML 1.2's core schema.
func coreScalar(text string) any {
	if text == "" {
		return nil
	}
	switch text[0] {
	case '~', 'n', 'N', 't', 'T', 'f', 'F', '.', '-', '+', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
	default:
		return text
	}
	switch text {
	case "~", "null", "Null", "NULL":
		return nil
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	if number, ok := coreNumber(text); ok {
		return number
	}
	return text
}
