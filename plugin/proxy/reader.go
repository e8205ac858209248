package proxy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/js"
)

// The values of credentials.
const (
	credentialsRequire = "require"
	credentialsForward = "forward"
	credentialsNone    = "dangerously-allow-unauthenticated"
)

// maxTimeout is the largest proxyTimeout.
const maxTimeout = time.Hour

// otherOptions are options of http-proxy-middleware that Backstage's schema does not have and that change something in a
// Node backend. ws and logLevel are not among them: WebSockets are always passed on.
var otherOptions = []string{
	"auth", "autoRewrite", "cookieDomainRewrite", "cookiePathRewrite", "followRedirects", "hostRewrite", "ignorePath",
	"localAddress", "method", "prependPath", "preserveHeaderKeyCase", "protocolRewrite", "router", "ssl", "timeout", "toProxy", "xfwd",
}

// reader reads an endpoint and collects what is wrong with it.
type reader struct {
	layers   []appconfig.Layer
	at       []string // the keys on the way to the endpoint
	problems []error
	warnings []string
}

// problem adds an error about a part of the endpoint: Backstage's words, the key and its layer. It does not repeat values.
func (r *reader) problem(text string, keys ...string) {
	path := append(slices.Clone(r.at), keys...)
	layer := ""
	for _, l := range r.layers {
		if has(l.Data, path) || layer == "" && has(l.Data, r.at) {
			layer = " in '" + l.Name + "'"
		}
	}
	r.problems = append(r.problems, fmt.Errorf("config key '%s'%s: %s", strings.Join(path, "."), layer, text))
}

// has reports whether there is a value at the end of path.
func has(object *value.Object, path []string) bool {
	v, ok := object.Get(path[0])
	if ok && len(path) > 1 {
		inner, _ := v.(*value.Object)
		return has(inner, path[1:])
	}
	return ok
}

// endpoint reads an endpoint: the URL of its target, or an object.
func (r *reader) endpoint(route string, given any) options {
	object, ok := given.(*value.Object)
	if text, isText := given.(string); isText {
		object = &value.Object{}
		object.Set("target", text)
	} else if !ok {
		r.problem(fmt.Sprintf("got %s, expected the URL of a target, or an object", value.TypeOf(given)))
		return options{}
	}
	o := options{route: strings.TrimRight(route, "/"), credentials: credentialsRequire}
	switch {
	case !strings.HasPrefix(route, "/"):
		o.route = "/" + o.route
		r.warnings = append(r.warnings, fmt.Sprintf("the proxy route '%s' does not begin with a slash: it is taken for '%s'", route, o.route))
	case strings.ContainsAny(route, ":*?+(){}[]!\\"):
		r.problem("the route has characters of patterns, which are not supported, expected a plain path such as /coder")
	case strings.ContainsAny(route, " %#\"<>") || strings.Contains(route, "//"):
		r.problem("the route can match no request, expected a plain path such as /coder")
	}
	o.target = r.target(route, object)
	r.credentials(&o, object)
	o.changeOrigin, o.secure = r.boolean(object, "changeOrigin"), r.boolean(object, "secure")
	o.allowedMethods, o.allowedHeaders = r.strings(object, "allowedMethods"), r.strings(object, "allowedHeaders")
	r.headers(&o, object)
	r.rewrite(&o, object)
	r.timeout(&o, object)
	for _, name := range otherOptions {
		if object.Has(name) {
			r.warnings = append(r.warnings, fmt.Sprintf("%s.%s has no effect here", strings.Join(r.at, "."), name))
		}
	}
	return o
}

func (r *reader) target(route string, object *value.Object) *url.URL {
	given, ok := object.Get("target")
	text, isText := given.(string)
	if !isText {
		kind := "undefined"
		if ok {
			kind = value.TypeOf(given)
		}
		r.problem(fmt.Sprintf(`Proxy target for route "%s" must be a string, but is of type %s`, route, kind), "target")
		return nil
	}
	target, err := url.Parse(js.Trim(text))
	if err != nil || target.Hostname() == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, target.Scheme) {
		r.problem("Proxy target is not a valid URL, expected one such as https://coder.example.com", "target")
		return nil
	}
	if target.User != nil { // http-proxy leaves it out
		r.warnings = append(r.warnings, fmt.Sprintf("the user in %s.target has no effect: set the header Authorization", strings.Join(r.at, ".")))
		target.User = nil
	}
	target.Scheme = strings.Replace(target.Scheme, "ws", "http", 1)
	return target
}

func (r *reader) credentials(o *options, object *value.Object) {
	given, ok := object.Get("credentials")
	if !ok {
		return
	}
	policies := []string{credentialsRequire, credentialsForward, credentialsNone}
	if o.credentials, _ = given.(string); !slices.Contains(policies, o.credentials) {
		r.problem(fmt.Sprintf("Unknown credentials policy for proxy route '%s'; expected one of '%s'", o.route, strings.Join(policies, "', '")), "credentials")
	}
}

// boolean reads a boolean whose default is true.
func (r *reader) boolean(object *value.Object, key string) bool {
	given, ok := object.Get(key)
	v, isBoolean := given.(bool)
	if ok && !isBoolean {
		r.problem(fmt.Sprintf("got %s, expected true or false", value.TypeOf(given)), key)
	}
	return v || !ok
}

func (r *reader) strings(object *value.Object, key string) []string {
	given, ok := object.Get(key)
	if !ok {
		return nil
	}
	items, isList := given.([]any)
	texts := make([]string, len(items)) // not nil, even for an empty list
	for i, item := range items {
		text, isText := item.(string)
		isList = isList && isText
		texts[i] = text
	}
	if !isList {
		r.problem("expected a list of strings", key)
		return nil
	}
	return texts
}

func (r *reader) headers(o *options, object *value.Object) {
	given, ok := object.Get("headers")
	headers, isObject := given.(*value.Object)
	if ok && !isObject {
		r.problem(fmt.Sprintf("got %s, expected an object", value.TypeOf(given)), "headers")
	}
	o.headers = make(map[string]string)
	for name, v := range headers.All() {
		text := js.String(v)
		if !validHeader(name, text) {
			r.problem("this is not a header that can be sent, expected a name and a value without line breaks", "headers", name)
		}
		o.headers[name] = text
	}
	for _, name := range o.allowedHeaders {
		if !validHeader(name, "") {
			r.problem("one of them is not the name of a header", "allowedHeaders")
		}
	}
}

func (r *reader) rewrite(o *options, object *value.Object) {
	given, ok := object.Get("pathRewrite")
	rules, isObject := given.(*value.Object)
	if o.customRules = ok; ok && !isObject {
		r.problem("[HPM] Invalid pathRewrite config. Expecting object with pathRewrite config or a rewrite function", "pathRewrite")
	}
	for source, replacement := range rules.All() {
		pattern, err := js.NewRegExp(source, "")
		if err != nil {
			r.problem(err.Error(), "pathRewrite", source)
		}
		o.rules = append(o.rules, rule{source, pattern, js.String(replacement)})
	}
}

func (r *reader) timeout(o *options, object *value.Object) {
	given, ok := object.Get("proxyTimeout")
	if !ok {
		return
	}
	milliseconds, _ := given.(float64)
	if milliseconds < 1 || milliseconds > float64(maxTimeout.Milliseconds()) {
		r.problem("expected a number of milliseconds, from 1 to "+js.FormatNumber(float64(maxTimeout.Milliseconds())), "proxyTimeout")
	}
	o.timeout = time.Duration(milliseconds) * time.Millisecond
}
