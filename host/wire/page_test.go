package wire

import (
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"
	"golang.org/x/net/html"
)

// windowScript implements the parts of a window and a document that login pages use.
//
//go:embed testdata/window.js
var windowScript string

var windowProgram = goja.MustCompile("window.js", windowScript, true)

// node is an element of a page, in the form that windowScript takes.
type node struct {
	Tag        string            `json:"tag"`
	Attributes map[string]string `json:"attributes"`
	Children   []any             `json:"children"` // node, or string
}

func parseHTML(source string) (root node) {
	document, err := html.Parse(strings.NewReader(source))
	if err != nil {
		return node{} // cannot happen for a string
	}
	return convert(document)
}

func convert(from *html.Node) node {
	n := node{Tag: from.Data, Attributes: map[string]string{}, Children: []any{}}
	for _, a := range from.Attr {
		n.Attributes[a.Key] = a.Val
	}
	for child := range from.ChildNodes() {
		switch child.Type {
		case html.TextNode:
			n.Children = append(n.Children, child.Data)
		case html.ElementNode:
			n.Children = append(n.Children, convert(child))
		}
	}
	return n
}

func (n node) text() string {
	var out strings.Builder
	for _, child := range n.Children {
		switch child := child.(type) {
		case string:
			out.WriteString(child)
		case node:
			out.WriteString(child.text())
		}
	}
	return out.String()
}

// walk returns all elements below n, in document order.
func (n node) walk() []node {
	var out []node
	for _, child := range n.Children {
		if child, ok := child.(node); ok {
			out = append(append(out, child), child.walk()...)
		}
	}
	return out
}

var (
	active  = []string{"img", "iframe", "object", "embed", "form"}
	program = regexp.MustCompile(`(?i)^((text|application)/(java|ecma)script|module)?$`)
)

// readPage returns what matters about the page of a login popup: its title and visible text, which scripts its
// policies allow, and what those do with each kind of opener.
func readPage(source string, policyHeaders []string, at *url.URL) map[string]any {
	tree := parseHTML(source)
	var policies []map[string][]string
	for _, header := range policyHeaders {
		for policy := range strings.SplitSeq(header, ",") {
			policies = append(policies, parseCSP(policy))
		}
	}
	page := map[string]any{"title": "", "visibleText": runPage(source, nil, at, "noOpener")["visibleText"]}
	scripts, titled := []any{}, false
	var handlers, elements []any
	var codes []string
	for _, n := range tree.walk() {
		for _, name := range slices.Sorted(maps.Keys(n.Attributes)) {
			if strings.HasPrefix(name, "on") {
				handlers = append(handlers, n.Tag+"."+name)
			}
		}
		if slices.Contains(active, n.Tag) {
			elements = append(elements, n.Tag)
		}
		if n.Tag == "title" && !titled {
			page["title"], titled = shortText(n.text()), true
		}
		if n.Tag != "script" || !program.MatchString(n.Attributes["type"]) {
			continue
		}
		reason := letIn(policies, n)
		switch {
		case n.Attributes["src"] != "":
			scripts = append(scripts, "external, not run here") // no login page has one
		case reason == "":
			scripts = append(scripts, "inline, blocked by CSP")
		default:
			scripts = append(scripts, "inline, let run by "+reason)
			codes = append(codes, n.text())
		}
	}
	page["scripts"] = scripts
	if handlers != nil {
		page["inlineHandlers"] = handlers
	}
	if elements != nil {
		page["activeElements"] = elements
	}
	if len(scripts) > 0 {
		runs := map[string]any{}
		for _, situation := range []string{"openerReadable", "openerCrossOrigin", "noOpener"} {
			runs[situation] = runPage(source, codes, at, situation)
		}
		page["runs"] = runs
	}
	return page
}

// letIn returns what allows an inline script to run (CSP level 3, section 6.7.3), or "" if a policy forbids it.
func letIn(policies []map[string][]string, script node) string {
	reason := "no policy"
	for _, policy := range policies {
		sources, limited := policy["script-src-elem"]
		for _, name := range []string{"script-src", "default-src"} {
			if !limited {
				sources, limited = policy[name]
			}
		}
		if !limited {
			continue
		}
		code := []byte(script.text())
		sum256, sum384, sum512 := sha256.Sum256(code), sha512.Sum384(code), sha512.Sum512(code)
		hashed := slices.ContainsFunc(sources, func(source string) bool {
			return source == "'sha256-"+base64.StdEncoding.EncodeToString(sum256[:])+"'" ||
				source == "'sha384-"+base64.StdEncoding.EncodeToString(sum384[:])+"'" ||
				source == "'sha512-"+base64.StdEncoding.EncodeToString(sum512[:])+"'"
		})
		nonce := script.Attributes["nonce"]
		switch {
		case nonce != "" && slices.Contains(sources, "'nonce-"+nonce+"'"):
			reason = "nonce"
		case hashed:
			reason = "hash"
		case slices.Contains(sources, "'unsafe-inline'") && !slices.ContainsFunc(sources, secretSource.MatchString):
			reason = "unsafe-inline"
		default:
			return ""
		}
	}
	return reason
}

// runPage runs scripts of a page in a new engine. It returns what they did, and the text that is visible then.
func runPage(source string, codes []string, at *url.URL, situation string) map[string]any {
	vm := goja.New()
	timer := time.AfterFunc(10*time.Second, func() { vm.Interrupt("the page's script does not end") })
	defer timer.Stop()
	location := map[string]string{
		"href": at.String(), "origin": at.Scheme + "://" + at.Host, "protocol": at.Scheme + ":", "host": at.Host,
		"hostname": at.Hostname(), "port": at.Port(), "pathname": at.EscapedPath(), "search": "?" + at.RawQuery, "hash": "",
	}
	input, _ := json.Marshal(map[string]any{
		"tree": parseHTML(source), "codes": append([]string{}, codes...), "situation": situation, "url": location,
	})
	_ = vm.Set("parseHTML", func(text string) string { // for innerHTML
		tree, _ := json.Marshal(parseHTML(text))
		return string(tree)
	})
	main, err := vm.RunProgram(windowProgram)
	if err != nil {
		return map[string]any{"harnessError": err.Error()}
	}
	run, _ := goja.AssertFunction(main)
	result, err := run(goja.Undefined(), vm.ToValue(string(input)))
	if err != nil {
		return map[string]any{"harnessError": err.Error()}
	}
	var seen map[string]any
	if err := json.Unmarshal([]byte(result.String()), &seen); err != nil {
		return map[string]any{"harnessError": err.Error()}
	}
	seen["visibleText"] = shortText(seen["visibleText"].(string))
	return seen
}
