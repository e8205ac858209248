package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// normalizer turns exchanges into transcripts that are the same on every run and every machine. They consist of the
// types that encoding/json decodes into.
type normalizer struct {
	names   []string // string, placeholder, …; longer strings first
	backend *url.URL
	sent    string // the current nonce cookie, or ""
}

func newNormalizer(backend *url.URL, target, coder string) *normalizer {
	_, port, _ := strings.Cut(target, ":")
	places := map[string]string{
		backend.Host: "backend", target: "backend", "localhost:" + port: "backend", "127.0.0.1:" + port: "backend", coder: "coder",
	}
	names := map[string]string{backend.Scheme + "://" + backend.Host: "<backend>"}
	for host, name := range places {
		names[host], names["http://"+host] = "<"+name+"-host>", "<"+name+">"
	}
	n := &normalizer{backend: backend}
	for _, name := range slices.SortedFunc(maps.Keys(names), func(a, b string) int { return len(b) - len(a) }) {
		n.names = append(n.names, name, names[name], url.QueryEscape(name), names[name])
	}
	return n
}

var (
	longHex  = regexp.MustCompile(`\b[0-9a-f]{80,}\b`)
	longText = regexp.MustCompile(`[A-Za-z0-9.-]{600,}`)
)

func (n *normalizer) text(value string) string {
	for i := 0; i < len(n.names); i += 2 {
		value = strings.ReplaceAll(value, n.names[i], n.names[i+1])
	}
	value = longHex.ReplaceAllStringFunc(value, func(text string) string {
		if decodeState(text) != nil {
			return "<state>"
		}
		return text
	})
	return longText.ReplaceAllStringFunc(value, digested)
}

func digested(text string) string {
	return fmt.Sprintf("<%d characters, sha256 %s>", len(text), digest(text, 12))
}

func digest(text string, digits int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:digits]
}

func (n *normalizer) deep(value any) any {
	switch value := value.(type) {
	case string:
		return n.text(value)
	case []any:
		for i, item := range value {
			value[i] = n.deep(item)
		}
	case map[string]any:
		for key, item := range value {
			value[key] = n.deep(item)
		}
	}
	return value
}

// decodeState decodes a state parameter in Backstage's form, the hex of a query string. It returns nil for others.
func decodeState(state string) url.Values {
	raw, err := hex.DecodeString(state)
	if err != nil || state == "" {
		return nil
	}
	values, _ := url.ParseQuery(string(raw)) // ignores what does not parse
	if !values.Has("env") && !values.Has("nonce") {
		return nil
	}
	return values
}

func encodeState(values url.Values) string { return hex.EncodeToString([]byte(values.Encode())) }

// location splits a Location into its parts.
func (n *normalizer) location(value string) map[string]any {
	u, err := url.Parse(value)
	if err != nil {
		return map[string]any{"raw": n.text(value)}
	}
	base := u.EscapedPath()
	if u.Opaque == "" && !strings.HasPrefix(base, "/") {
		base = "/" + base
	}
	switch {
	case u.Opaque != "":
		base = u.Scheme + ":" + u.Opaque
	case u.Scheme != "":
		base = u.Scheme + "://" + u.Host + base
	}
	query := map[string]any{}
	for key, values := range u.Query() {
		if key == "state" {
			query[key] = n.state(values[0])
			continue
		}
		texts := slices.Clone(values)
		for i, value := range texts {
			texts[i] = n.text(value)
			if key == "code_challenge" || key == "nonce" {
				texts[i] = fmt.Sprintf("<%s: %d characters>", key, len(value))
			}
		}
		query[key] = single(texts)
	}
	out := map[string]any{"base": n.text(base), "query": query}
	if fragment := u.EscapedFragment(); fragment != "" {
		out["fragment"] = n.text("#" + fragment)
	}
	return out
}

// single returns the only value of a list of one, otherwise the list.
func single(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}

func (n *normalizer) state(value string) any {
	decoded := decodeState(value)
	switch {
	case decoded == nil && len(value) > 24:
		return "<state, not decodable>"
	case decoded == nil:
		return value
	}
	out := map[string]any{}
	for key, values := range decoded {
		item := values[len(values)-1]
		switch {
		case key != "nonce":
			out[key] = n.text(item)
		case n.sent == "":
			out[key] = "<nonce>"
		case n.sent == item:
			out[key] = "<same as the nonce cookie>"
		default:
			out[key] = "<not the nonce cookie>"
		}
	}
	return out
}

// uncounted are headers of framing and connections, which belong to the transport and not to the answer.
var uncounted = []string{"date", "connection", "keep-alive", "transfer-encoding", "content-length"}

// exact are the headers whose values are compared, besides those of CORS. Of other headers only the presence is
// compared, or their parts are.
var exact = []string{
	"content-type", "content-encoding", "content-language", "cache-control", "pragma", "expires", "last-modified", "age", "allow",
	"strict-transport-security", "referrer-policy", "x-content-type-options", "x-dns-prefetch-control", "x-download-options",
	"x-frame-options", "x-permitted-cross-domain-policies", "x-xss-protection", "permissions-policy",
	"cross-origin-opener-policy", "cross-origin-embedder-policy", "cross-origin-resource-policy", "origin-agent-cluster",
	"clear-site-data", "www-authenticate", "retry-after", "coder-session-token", "x-custom-source",
}

func (n *normalizer) answer(a *answer, requestURL *url.URL) map[string]any {
	if a.status == 0 {
		return map[string]any{"outcome": a.outcome}
	}
	out := map[string]any{"status": a.status, "body": n.body(a, requestURL)}
	if a.outcome != "complete" {
		out["outcome"] = a.outcome
	}
	names, headers := []string{}, map[string]any{}
	for name, values := range a.header {
		if slices.Contains(uncounted, name) {
			continue
		}
		names = append(names, name)
		if slices.Contains(exact, name) || strings.HasPrefix(name, "access-control-") {
			headers[name] = n.text(strings.Join(values, ", "))
		}
	}
	slices.Sort(names)
	if vary, ok := a.header["vary"]; ok {
		parts := strings.Split(strings.ToLower(strings.Join(vary, ",")), ",")
		for i, part := range parts {
			parts[i] = strings.TrimSpace(part)
		}
		slices.Sort(parts)
		headers["vary"] = strings.Join(parts, ", ")
	}
	out["headerNames"], out["headers"] = names, headers
	if policy, ok := a.header["content-security-policy"]; ok {
		out["csp"] = normalCSP(strings.Join(policy, ", "))
	}
	if lines, ok := a.header["set-cookie"]; ok {
		cookies := map[string]any{}
		for _, line := range lines {
			key, value := n.setCookie(line)
			unique := key
			for i := 2; cookies[unique] != nil; i++ {
				unique = fmt.Sprintf("%s #%d", key, i)
			}
			cookies[unique] = value
		}
		out["setCookie"] = cookies
	}
	if _, ok := a.header["location"]; ok {
		out["location"] = n.location(a.first("location"))
	}
	return out
}

var secretSource = regexp.MustCompile(`'(sha\d+|nonce)-[^ ]*'`)

func normalCSP(value string) map[string]any {
	out := map[string]any{}
	for name, sources := range parseCSP(value) {
		out[name] = secretSource.ReplaceAllString(strings.Join(sources, " "), "'$1-<value>'")
	}
	return out
}

// parseCSP returns the source lists by directive. If a directive is repeated, the first one counts.
func parseCSP(value string) map[string][]string {
	out := map[string][]string{}
	for part := range strings.SplitSeq(value, ";") {
		fields := strings.Fields(part)
		if len(fields) == 0 {
			continue
		}
		if name := strings.ToLower(fields[0]); out[name] == nil {
			out[name] = fields[1:]
		}
	}
	return out
}

var markup = regexp.MustCompile(`<[A-Za-z!]`)

func (n *normalizer) body(a *answer, requestURL *url.URL) map[string]any {
	text, contentType := string(a.body), a.first("content-type")
	switch {
	case text == "":
		return map[string]any{"kind": "empty"}
	case strings.Contains(contentType, "json"):
		var value any
		if err := json.Unmarshal(a.body, &value); err != nil {
			return map[string]any{"kind": "broken json"}
		}
		return map[string]any{"kind": "json", "json": n.deep(value)}
	case strings.Contains(contentType, "html") && markup.MatchString(text):
		return map[string]any{"kind": "html", "page": n.deep(readPage(text, a.header["content-security-policy"], requestURL))}
	}
	return map[string]any{"kind": "text", "text": n.text(shortText(text))}
}

// shortText returns the visible text if it is short. A long one is most likely source code that is shown by mistake:
// then it returns a digest.
func shortText(text string) string {
	squeezed := strings.Join(strings.Fields(text), " ")
	if runes := len([]rune(squeezed)); runes > 400 {
		return fmt.Sprintf("<%d characters, sha256 %s>", runes, digest(squeezed, 16))
	}
	return squeezed
}
