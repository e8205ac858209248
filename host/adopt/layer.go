package adopt

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

func location(name string, line int) string {
	return filepath.ToSlash(name) + ":" + strconv.Itoa(line)
}

// port returns the port that the Node backend listens on now.
func port(config *appconfig.Config) string {
	if address, ok, _ := config.GetOptionalString("backend.listen"); ok {
		return address[strings.LastIndexByte(address, ':')+1:]
	}
	if number, ok, err := config.GetOptionalNumber("backend.listen.port"); ok && err == nil {
		return strconv.Itoa(int(number))
	}
	base, _, _ := config.GetOptionalString("backend.baseUrl")
	if u, err := url.Parse(base); err == nil && u.Port() != "" {
		return u.Port()
	}
	return "7007"
}

// layer returns the text of the layer.
func (a *app) layer() string {
	var b strings.Builder
	node := port(a.config)
	fmt.Fprintf(&b, "%sIt is the last layer of this backend, and not for the Node backend.\n", mark)
	b.WriteString("backend:\n")
	switch a.Way {
	case Front:
		fmt.Fprintf(&b, "  listen: ':%s' # where the Node backend was\n", node)
	default:
		fmt.Fprintf(&b, "  listen: ':%s' # the Node backend stays at %s\n", freePort, node)
	}
	b.WriteString("understudy:\n")
	b.WriteString("  session:\n    keys:\n      - ${UNDERSTUDY_SESSION_KEY} # openssl rand -base64 32\n")
	switch a.Way {
	case Front:
		fmt.Fprintf(&b, "  fallback:\n    target: http://localhost:%s # the Node backend gets everything else\n", freePort)
	case Discovery: // the app sends all of a plugin's requests to one place
		fmt.Fprintf(&b, "  fallback:\n    target: http://localhost:%s # the Node backend: other sign-ins\n", node)
	}
	for _, p := range a.Plugins {
		if p.Starter != nil {
			b.WriteString(p.Starter(a.config))
		}
	}
	return b.String()
}

// explain prints what was found and done, and what is left to do.
func (a *app) explain(why string, written bool) {
	say := func(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }
	say("The Node backend is started with")
	for _, s := range a.starts {
		layers := s.layers
		if len(layers) == 0 {
			layers = a.defaults()
		}
		say("  %s   (%s)", strings.Join(layers, ", "), s.where)
	}
	say("\nThe way that fits: %s, since %s.", a.Way, why)
	say("%s %s.", LayerName, map[bool]string{true: "is written", false: "is as it should be"}[written])
	say("\nWhat is left to do:")
	var prefixes []string
	for _, p := range a.Plugins {
		prefixes = append(prefixes, "/api"+p.Path)
	}
	node := port(a.config)
	switch a.Way {
	case Front:
		say("- Start the Node backend on another port: APP_CONFIG_backend_listen='\":%s\"' yarn start", freePort)
	case Beside:
		say("- Have the proxy in front send %s here, to port %s. Everything else stays at %s.", strings.Join(prefixes, " and "), freePort, node)
	case Discovery:
		say("- Give the app's own layers, those of the frontend:")
		say("    discovery:\n      endpoints:\n        - target: <where browsers reach this backend>/api/auth\n          plugins: [auth]")
		say("  Register the callback URL below <where browsers reach this backend>, and set backend.baseUrl to it in %s.", LayerName)
	}
	first := a.starts[0].layers
	if len(first) == 0 {
		first = a.defaults()
	}
	var flags strings.Builder
	for _, layer := range append(append([]string{}, first...), LayerName) {
		flags.WriteString(" --config " + layer)
	}
	say("- Start this backend in %s:\n    UNDERSTUDY_SESSION_KEY=… %s%s", a.root, a.Name, flags.String())
	say("- See that all is well: %s doctor%s", a.Name, flags.String())
	if uses := a.findUses(); len(uses) > 0 {
		say("- Remove from packages/backend what this backend does now. With signIn in the config, the provider module stays.")
		for _, use := range uses {
			say("    %s", use)
		}
	}
	say("docs/migrating.md has all three ways in full, and how to go back.")
}
