package yaml

import (
	"encoding/base64"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// tagOf returns the tag that is written at a node, shortened to "!!name" for YAML's own.
func tagOf(node *yaml.Node) string {
	if node.Style&yaml.TaggedStyle != 0 || node.Tag == "!" {
		return node.Tag
	}
	return ""
}

// scalar returns the value of a scalar.
func (c *constructor) scalar(node *yaml.Node) any {
	switch tag := tagOf(node); tag {
	case "":
		if node.Style&quoted == 0 {
			return c.plain(node.Value)
		}
	case "!!null", "!!bool", "!!int", "!!float":
		// A tag that does not fit is ignored: the value is the string.
		if made := c.plain(node.Value); fits(tag, node.Value, made) {
			return made
		}
	case "!!binary":
		object := &value.Object{}
		for i, b := range decodeBase64(node.Value) {
			object.Set(strconv.Itoa(i), float64(b))
		}
		return object
	case "!!timestamp":
		return &value.Object{} // a JavaScript Date has no properties of its own
	}
	return node.Value
}

// fits reports whether the value of a plain scalar has the type of its tag.
func fits(tag, text string, value any) bool {
	switch value.(type) {
	case nil:
		return tag == "!!null"
	case bool:
		return tag == "!!bool"
	case float64:
		isHex := strings.Contains(text, "0x")
		isFloat := strings.Contains(text, ".") || !isHex && strings.ContainsAny(text, "eE")
		return tag == "!!float" == isFloat && (isFloat || tag == "!!int")
	}
	return false
}

// plain returns the value of a plain scalar.
func (c *constructor) plain(text string) any {
	if c.old {
		return oldScalar(text)
	}
	return coreScalar(text)
}

// coreScalar returns the value of a plain scalar in YAML 1.2's core schema.
func coreScalar(text string) any {
	if made, ok := constant(text); ok {
		return made
	}
	var number float64
	var ok bool
	if rest, isOctal := strings.CutPrefix(text, "0o"); isOctal {
		number, ok = js.ParseDigits(rest, 8)
	} else if rest, isHex := strings.CutPrefix(text, "0x"); isHex {
		number, ok = js.ParseDigits(rest, 16)
	} else if strings.IndexByte("+-.0123456789", text[0]) >= 0 {
		number, ok = js.ParseDecimal(text)
	}
	if ok {
		return number
	}
	return text
}

// constant returns the value of a plain scalar that is a constant in both versions of YAML.
func constant(text string) (any, bool) {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil, true
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	case ".nan", ".NaN", ".NAN":
		return math.NaN(), true
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return math.Inf(1), true
	case "-.inf", "-.Inf", "-.INF":
		return math.Inf(-1), true
	}
	return nil, false
}

var (
	sexagesimal = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`)
	timestamp   = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:t|T|[ \t]+)[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}` +
		`(?:\.[0-9]+)?(?:[ \t]*(?:Z|[-+][012]?[0-9](?::[0-9]{2})?))?)?$`)
)

// oldScalar returns the value of a plain scalar in YAML 1.1.
func oldScalar(text string) any {
	if made, ok := constant(text); ok {
		return made
	}
	switch text {
	case "Y", "y", "yes", "Yes", "YES", "on", "On", "ON":
		return true
	case "N", "n", "no", "No", "NO", "off", "Off", "OFF":
		return false
	}
	digits := strings.ReplaceAll(text, "_", "")
	switch {
	case strings.IndexByte("+-.0123456789", text[0]) < 0 || strings.ContainsAny(text, "oOXB"):
		return text
	case timestamp.MatchString(text):
		return &value.Object{} // a JavaScript Date has no properties of its own
	case sexagesimal.MatchString(text):
		number := 0.0
		for part := range strings.SplitSeq(strings.TrimLeft(digits, "+-"), ":") {
			n, _ := js.ParseNumber(part)
			number = number*60 + n
		}
		if text[0] == '-' {
			number = -number
		}
		return number
	}
	if whole, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return float64(whole)
	}
	if number, ok := js.ParseDecimal(digits); ok {
		return number
	}
	return text
}

// decodeBase64 decodes base64 with or without line breaks and padding, up to the first character that is not base64.
func decodeBase64(text string) []byte {
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	bytes, _ := base64.RawStdEncoding.DecodeString(text)
	return bytes
}
