package yaml

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// isBareKey tells whether an item of a flow collection is just the indicator "?", which begins a key, here an
// empty one. go-yaml takes it for a text.
func isBareKey(in, node *yaml.Node) bool {
	return in.Style&yaml.FlowStyle != 0 && node.Value == "?" && node.Kind == yaml.ScalarNode &&
		node.Style&quoted == 0 && tagOf(node) == ""
}

// key makes the text that a key is in JavaScript.
func (c *constructor) key(in, node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode && node.Anchor == "" && c.isText(node) {
		return node.Value // nearly all are
	}
	value, _ := c.value(node)
	if tagOf(node) == "!!binary" {
		return js.DecodeUTF8(decodeBase64(node.Value))
	}
	if resolveAlias(node).Kind != yaml.ScalarNode {
		var b strings.Builder
		c.writeFlow(&b, node)
		return b.String()
	}
	if isBareKey(in, node) {
		return ""
	}
	return keyText(value)
}

func keyText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return js.FormatNumber(v)
	}
	return ""
}

// writeFlow writes a collection that is a key as npm's yaml does: in one line, in flow style.
func (c *constructor) writeFlow(b *strings.Builder, node *yaml.Node) {
	list := func(open, close string, items int, write func(i int)) {
		b.WriteString(open)
		for i := range items {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteByte(' ')
			write(i)
		}
		if items > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(close)
	}
	switch node.Kind {
	case yaml.SequenceNode:
		list("[", "]", len(node.Content), func(i int) { c.writeFlow(b, node.Content[i]) })
	case yaml.MappingNode:
		list("{", "}", len(node.Content)/2, func(i int) {
			key, value := node.Content[2*i], node.Content[2*i+1]
			if key.Kind != yaml.ScalarNode {
				b.WriteString("? ")
			}
			c.writeFlow(b, key)
			if !isMissing(value) || tagOf(value) != "" {
				b.WriteString(": ")
				c.writeFlow(b, value)
			} else if hasColon(node, key, value) {
				b.WriteByte(':')
			}
		})
	case yaml.AliasNode:
		b.WriteString("*" + node.Value)
	default:
		if node.Anchor != "" {
			b.WriteString("&" + node.Anchor + " ")
		}
		tag := tagOf(node)
		if tag != "" && tag != "!" {
			b.WriteString(tag + " ")
		}
		switch {
		case node.Style&(yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 && (tag == "" || tag == "!!str"),
			tag == "!!str" && !isString(coreScalar(node.Value)):
			b.Write(value.FormatJSON(node.Value))
		case node.Style&yaml.SingleQuotedStyle != 0:
			b.WriteString("'" + strings.ReplaceAll(node.Value, "'", "''") + "'")
		default:
			b.WriteString(c.plainText(node.Value))
		}
	}
}

// hasColon tells whether there is a colon behind a key without value. Nodes tell it by where the value would be, but for
// flow mappings.
func hasColon(mapping, key, value *yaml.Node) bool {
	if mapping.Style&yaml.FlowStyle != 0 {
		return mapping.Column == key.Column // a pair in a sequence
	}
	width := utf8.RuneCountInString(key.Value)
	if key.Style&quoted != 0 {
		width += 2
	}
	return value.Line == key.Line && value.Column > key.Column+width
}

// plainText writes a plain scalar that is in a key. Decimal numbers are written anew, all else as it is.
func (c *constructor) plainText(text string) string {
	number, ok := coreScalar(text).(float64)
	switch {
	case !ok || c.old:
		return text
	case math.IsInf(number, 0), math.IsNaN(number), strings.HasPrefix(text, "0x"), strings.HasPrefix(text, "0o"):
		return strings.ToLower(text)
	case strings.ContainsAny(text, "eE"):
		written := strconv.FormatFloat(number, 'e', -1, 64)
		if i := len(written) - 2; written[i] == '0' && (written[i-1] == '-' || written[i-1] == '+') {
			return written[:i] + written[i+1:]
		}
		return written
	}
	written := js.FormatNumber(number)
	if number == 0 && math.Signbit(number) {
		written = "-0"
	}
	if dot := strings.IndexByte(text, '.'); dot >= 0 && strings.HasSuffix(text, "0") && !strings.Contains(written, "e") {
		digits := 0
		if at := strings.IndexByte(written, '.'); at >= 0 {
			digits = len(written) - at - 1
		} else {
			written += "."
		}
		written += strings.Repeat("0", max(0, len(text)-dot-1-digits))
	}
	return written
}

func isString(made any) bool {
	s, ok := made.(string)
	return ok && s != ""
}
