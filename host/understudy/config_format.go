package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"go.yaml.in/yaml/v4"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

// outputFormat is the value of --format: "yaml", which "" stands for, or "json".
type outputFormat string

func (f *outputFormat) String() string { return string(*f) }
func (f *outputFormat) Type() string   { return "format" }

func (f *outputFormat) Set(text string) error {
	if text != "yaml" && text != "json" {
		return fmt.Errorf("unknown format %q, expected yaml or json", text)
	}
	*f = outputFormat(text)
	return nil
}

// write writes a config value: as JSON.stringify(value, null, 2), or as YAML that is read back as the value.
func (f *outputFormat) write(w io.Writer, value any) error {
	var out bytes.Buffer
	if *f == "json" {
		if err := json.Indent(&out, appconfig.FormatJSON(value), "", "  "); err != nil {
			return err
		}
		out.WriteByte('\n')
	} else {
		text, err := formatYAML(value)
		if err != nil {
			return err
		}
		out.Write(text)
	}
	_, err := out.WriteTo(w)
	return err
}

// formatYAML lets go-yaml choose the style of each text. Where what it chooses would be read as another value
// by YAML 1.2's rules, all texts are quoted.
func formatYAML(value any) ([]byte, error) {
	for _, style := range []yaml.Style{0, yaml.DoubleQuotedStyle} {
		text, err := yaml.Dump(yamlNode(value, style), yaml.WithV4Defaults(), yaml.WithCompactSeqIndent(false), yaml.WithLineWidth(-1))
		if err != nil {
			return nil, err
		}
		if back, err := appconfig.ParseYAML(text); err == nil && appconfig.Equal(back, value) {
			return text, nil
		}
	}
	return appconfig.FormatJSON(value), nil // which is YAML as well
}

// yamlNode converts a config value, with its texts in the given style.
func yamlNode(value any, style yaml.Style) *yaml.Node {
	scalar := func(tag, text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text} }
	switch v := value.(type) {
	case *appconfig.Object:
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range v.Keys() {
			item, _ := v.Get(key)
			node.Content = append(node.Content, yamlNode(key, style), yamlNode(item, style))
		}
		if v.Len() == 0 {
			node.Style = yaml.FlowStyle
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			node.Content = append(node.Content, yamlNode(item, style))
		}
		if len(v) == 0 {
			node.Style = yaml.FlowStyle
		}
		return node
	case string:
		node := scalar("!!str", v)
		node.Style = style
		return node
	case float64:
		switch {
		case math.IsNaN(v):
			return scalar("!!float", ".nan")
		case math.IsInf(v, 1):
			return scalar("!!float", ".inf")
		case math.IsInf(v, -1):
			return scalar("!!float", "-.inf")
		}
		text := appconfig.FormatNumber(v)
		if v == math.Trunc(v) {
			return scalar("!!int", text)
		}
		return scalar("!!float", text)
	case bool:
		return scalar("!!bool", fmt.Sprint(v))
	}
	return scalar("!!null", "null")
}
