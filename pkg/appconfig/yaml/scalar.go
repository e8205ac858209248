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
	tag := tagOf(node)
	if tag == "" {
		if node.Style&quoted != 0 {
			return node.Value
		}
		return c.plain(node.Value)
	}
	switch tag {
	case "!!null", "!!bool", "!!int", "!!float":
		// A tag that does not fit is dropped, and the text kept.
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
		if !timestamp.MatchString(node.Value) {
			c.fail(node, "!!timestamp expects a date, starting with yyyy-mm-dd")
		}
		return &value.Object{} // a JavaScript Date has no properties of its own
	}
	return node.Value
}

// isString reports whether a scalar is plainly a string: it is quoted, or begins like nothing else.
func (c *constructor) isString(node *yaml.Node) bool {
	if tagOf(node) != "" || node.Value == "" && node.Style&quoted == 0 {
		return false
	}
	return node.Style&quoted != 0 || !c.old && strings.IndexByte(".-+0123456789~nNtTfF?", node.Value[0]) < 0
}

// fits tells whether value, made of a plain text, is of the tagged type.
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
		if value, ok := oldScalar(text); ok {
			return value
		}
		return text
	}
	return coreScalar(text)
}

// coreScalar returns the value of a plain scalar in YAML 1.2's core schema.
func coreScalar(text string) any {
	if text == "" {
		return nil
	}
	switch ch := text[0]; {
	case ch == '.', ch == '-', ch == '+', isDigit(ch):
		if number, ok := coreNumber(text); ok {
			return number
		}
	case strings.IndexByte("~nNtTfF", ch) >= 0:
		switch text {
		case "~", "null", "Null", "NULL":
			return nil
		case "true", "True", "TRUE":
			return true
		case "false", "False", "FALSE":
			return false
		}
	}
	return text
}

var (
	oldWhole = [...]struct {
		pattern      *regexp.Regexp
		prefix, base int
	}{
		{regexp.MustCompile(`^[-+]?0b[01_]+$`), 2, 2},
		{regexp.MustCompile(`^[-+]?0[0-7_]+$`), 1, 8},
		{regexp.MustCompile(`^[-+]?[0-9][0-9_]*$`), 0, 10},
		{regexp.MustCompile(`^[-+]?0x[0-9a-fA-F_]+$`), 2, 16},
	}
	oldFloat  = regexp.MustCompile(`^[-+]?(?:[0-9][0-9_]*)?(?:(?:\.[0-9_]*)?[eE][-+]?[0-9]+|\.[0-9_]*)$`)
	oldSixty  = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`)
	timestamp = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:t|T|[ \t]+)[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}` +
		`(?:\.[0-9]+)?(?:[ \t]*(?:Z|[-+][012]?[0-9](?::[0-9]{2})?))?)?$`)
)

// oldScalar returns the value of a plain scalar in YAML 1.1, and whether it is anything but a text.
func oldScalar(text string) (any, bool) {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil, true
	case "Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true, true
	case "N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false, true
	}
	sign, digits := 1.0, strings.ReplaceAll(text, "_", "")
	if text[0] == '-' || text[0] == '+' {
		digits = digits[1:]
		if text[0] == '-' {
			sign = -1
		}
	}
	made := func(number float64, ok bool) (any, bool) {
		if !ok {
			number = math.NaN()
		}
		return sign * number, true
	}
	for _, whole := range oldWhole {
		if whole.pattern.MatchString(text) {
			return made(js.ParseDigits(digits[whole.prefix:], whole.base))
		}
	}
	switch {
	case oldFloat.MatchString(text):
		return made(js.ParseDecimal(digits))
	case oldSixty.MatchString(text):
		number := 0.0
		for part := range strings.SplitSeq(digits, ":") {
			n, _ := js.ParseNumber(part)
			number = number*60 + n
		}
		return made(number, true)
	case timestamp.MatchString(text):
		return &value.Object{}, true
	}
	return specialNumber(text)
}

// decodeBase64 decodes as Node's Buffer does: what is not base64 is passed over, "=" ends it.
func decodeBase64(text string) []byte {
	text, _, _ = strings.Cut(text, "=")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r < 128 && (isDigit(byte(r)) || r|0x20 >= 'a' && r|0x20 <= 'z' || r == '+' || r == '/'):
			return r
		}
		return -1
	}, text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	bytes, _ := base64.RawStdEncoding.DecodeString(text)
	return bytes
}

// coreNumber converts a number in YAML 1.2's core schema.
func coreNumber(text string) (float64, bool) {
	if rest, ok := strings.CutPrefix(text, "0o"); ok {
		return js.ParseDigits(rest, 8)
	}
	if rest, ok := strings.CutPrefix(text, "0x"); ok {
		return js.ParseDigits(rest, 16)
	}
	if number, ok := specialNumber(text); ok {
		return number, true
	}
	return js.ParseDecimal(text)
}

// specialNumber converts the numbers that have names.
func specialNumber(text string) (float64, bool) {
	switch text {
	case ".nan", ".NaN", ".NAN":
		return math.NaN(), true
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return math.Inf(1), true
	case "-.inf", "-.Inf", "-.INF":
		return math.Inf(-1), true
	}
	return 0, false
}

func isDigit(ch byte) bool { return ch >= '0' && ch <= '9' }
