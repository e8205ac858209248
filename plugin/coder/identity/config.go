package identity

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/httpserver"
	"github.com/understudy-host/understudy/pkg/origin"
)

// Keys, and defaults of the listener.
const (
	at          = "understudy.identity"
	targetKey   = at + ".target"
	listenKey   = at + ".listen"
	secretKey   = at + ".clientSecret"
	certificate = at + ".https.certificate"

	defaultHost = "127.0.0.1"
	defaultPort = 7017
	minSecret   = 32 // characters
)

// RequiredKeys are those that have no default.
func RequiredKeys() []string { return []string{targetKey, secretKey} }

// Options are the checked settings of a relay.
type Options struct {
	Target  string      // the base URL of the Node backend, without a trailing slash
	Address string      // of the listener
	TLS     *tls.Config // of the listener; nil is plain HTTP
	Secret  string      // that the Node backend's Coder provider has

	Clients  map[string]string // the client IDs of the environments that sign in to Backstage
	Keys     [][]byte          // that nothing is sealed with elsewhere than by this service; random if empty
	MaxCalls int               // to the Node backend at once
}

// Provider returns the URL of the Node backend's Coder provider.
func (o *Options) Provider() string { return o.Target + providerPath }

// URL returns that of the listener.
func (o *Options) URL() string {
	if o.TLS != nil {
		return "https://" + o.Address
	}
	return "http://" + o.Address
}

// Surroundings are what the settings must not be mixed up with.
type Surroundings struct {
	Mount       string   // the URL of the Coder plugin
	Secrets     []string // that are for something else
	Deployments []string // the URLs of Coder
}

// ReadOptions reads the keys below understudy.identity. It returns nil if there are none. Its error names everything that is
// wrong; warnings are about what is allowed.
func ReadOptions(config *appconfig.Config, s Surroundings) (o *Options, warnings []string, err error) {
	if has, err := config.Has(at); !has {
		return nil, nil, err
	}
	var problems []error
	problem := func(key, text string) {
		if layer := config.LayerOf(key); layer != "" {
			key += "' in '" + layer
		}
		problems = append(problems, fmt.Errorf("invalid config at '%s': %s", key, text))
	}
	required := func(key, meaning string) string {
		value, err := config.GetString(key)
		if err != nil {
			problems = append(problems, fmt.Errorf("%w, expected %s", err, meaning))
		}
		return value
	}
	o = &Options{}
	o.Target = strings.TrimRight(required(targetKey, "the base URL of the Node backend"), "/")
	if o.Target != "" {
		if text := badTarget(o.Target, s.Mount); text != "" {
			problem(targetKey, text)
		} else if u, _ := url.Parse(o.Target); u.Scheme == "http" && !isLoopback(u.Hostname()) {
			warnings = append(warnings, targetKey+" is plain http to another machine: whoever listens there sees identities; use https")
		}
	}
	o.Secret = required(secretKey, "a secret of its own, the clientSecret of the Node backend's Coder provider")
	switch {
	case o.Secret == "":
	case slices.Contains(s.Secrets, o.Secret):
		problem(secretKey, "this is a secret of something else, expected one of its own")
	case len(o.Secret) < minSecret:
		problem(secretKey, fmt.Sprintf("it has %d characters, expected at least %d", len(o.Secret), minSecret))
	}
	host, port, err := httpserver.ReadAddress(config, listenKey, defaultHost, defaultPort)
	problems = append(problems, err)
	o.Address = net.JoinHostPort(host, strconv.Itoa(port))
	if has, _ := config.Has(at + ".https"); has {
		pair, err := httpserver.ReadCertificate(config, certificate)
		problems = append(problems, err)
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	} else if err == nil && !isLoopback(host) {
		problem(listenKey, errNotLoopback.Error())
	}
	for _, deployment := range s.Deployments {
		if u, err := url.Parse(deployment); err == nil && strings.Replace(u.Host, "localhost", defaultHost, 1) == strings.Replace(o.Address, "localhost", defaultHost, 1) {
			problem(listenKey, "this is the address of a deploymentUrl here: that one must be Coder's, and only the Node backend's is this listener's")
			break
		}
	}
	return o, warnings, errors.Join(problems...)
}

// errNotLoopback refuses to serve in plain text what decides who somebody is.
var errNotLoopback = errors.New("an address that other machines reach takes TLS: set " + certificate + ", or use a loopback address such as " +
	net.JoinHostPort(defaultHost, strconv.Itoa(defaultPort)))

// badTarget says what is wrong with the URL of the Node backend, or returns "".
func badTarget(target, mount string) string {
	_, err := origin.Of(target)
	u, _ := url.Parse(target)
	switch {
	case err != nil:
		return err.Error()
	case u.User != nil:
		return "a user in a URL is refused, expected the base URL of the Node backend"
	case u.RawQuery != "" || u.Fragment != "":
		return "expected the base URL of the Node backend without query and fragment"
	case strings.EqualFold(target+providerPath, mount):
		return "this is the address of this backend itself, expected that of the Node backend"
	}
	return ""
}

// isLoopback reports whether a host is this machine's loopback interface.
func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(strings.Trim(host, "[]")).IsLoopback()
}
