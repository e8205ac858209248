package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	goyaml "go.yaml.in/yaml/v4"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
	"github.com/understudy-host/understudy/pkg/logging"
)

// outputFormat is the value of --format: "json", or "yaml", which is also the meaning of "".
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

// write writes a config value as JSON.stringify(value, null, 2) does, or as YAML that parses to the same value, but with
// control characters escaped. In YAML, comments come after the values of an object, by their keys.
func (f *outputFormat) write(w io.Writer, v any, comments map[string]string) (err error) {
	text := append(value.IndentJSON(v), '\n')
	if *f != "json" {
		if text, err = formatYAML(v, comments); err != nil {
			return err
		}
	}
	_, err = w.Write(logging.Printable(text, *f == "json"))
	return err
}

// writeLocated writes values by their full keys: as YAML with the origins in comments, or as JSON.
func (f *outputFormat) writeLocated(w io.Writer, list []appconfig.Located) error {
	values, comments := &value.Object{}, map[string]string{}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	for _, v := range list {
		origin := relative(v.Origin, dir).String()
		values.Set(v.Key, v.Value)
		if *f == "json" {
			object := &value.Object{}
			object.Set("value", v.Value)
			object.Set("origin", origin)
			values.Set(v.Key, object)
		}
		comments[v.Key] = origin
	}
	return f.write(w, values, comments)
}

// relative returns an origin whose paths are relative to dir if they are in it.
func relative(origin value.Position, dir string) value.Position {
	if origin.Source == nil {
		return origin
	}
	source := *origin.Source
	if path, err := filepath.Rel(dir, source.Path); err == nil && filepath.IsLocal(path) {
		source.Path = path
	}
	if source.Parent != nil {
		source.Parent = new(relative(*source.Parent, dir))
	}
	origin.Source = &source
	return origin
}

// formatYAML lets go-yaml choose the style of each string. If YAML 1.2 would read the result as another value, all
// strings are quoted.
func formatYAML(v any, comments map[string]string) ([]byte, error) {
	for _, style := range []goyaml.Style{0, goyaml.DoubleQuotedStyle} {
		node := yamlNode(v, style)
		for i := 0; i+1 < len(node.Content) && comments != nil; i += 2 {
			node.Content[i+1].LineComment = comments[node.Content[i].Value]
		}
		text, err := goyaml.Dump(node, goyaml.WithV4Defaults(), goyaml.WithCompactSeqIndent(false), goyaml.WithLineWidth(-1))
		if err != nil {
			return nil, err
		}
		if back, err := yaml.Parse(text); err == nil && value.Equal(back, v) {
			return text, nil
		}
	}
	return value.FormatJSON(v), nil // which is YAML as well
}

// yamlNode converts a config value, with its strings in the given style.
func yamlNode(v any, style goyaml.Style) *goyaml.Node {
	switch v := v.(type) {
	case *value.Object:
		node := &goyaml.Node{Kind: goyaml.MappingNode}
		for key, item := range v.All() {
			node.Content = append(node.Content, yamlNode(key, style), yamlNode(item, style))
		}
		return node
	case []any:
		node := &goyaml.Node{Kind: goyaml.SequenceNode}
		for _, item := range v {
			node.Content = append(node.Content, yamlNode(item, style))
		}
		return node
	case string:
		if end := strings.TrimRight(v, "\n"); end == "" || strings.HasSuffix(end, " ") || string(logging.Printable([]byte(v), false)) != v {
			style = goyaml.DoubleQuotedStyle // npm's yaml drops some lines of blanks at the end of a block; escapes need quotes
		}
		return &goyaml.Node{Kind: goyaml.ScalarNode, Tag: "!!str", Style: style, Value: v}
	case float64:
		if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) { // JSON has no -0, and none of the others
			node := new(goyaml.Node)
			_ = node.Encode(v) // fails for no number
			return node
		}
	}
	return &goyaml.Node{Kind: goyaml.ScalarNode, Value: string(value.FormatJSON(v))}
}
