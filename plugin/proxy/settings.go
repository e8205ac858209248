package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// settings are the checked configuration.
type settings struct {
	endpoints []options
	mount     string // the path of this plugin for browsers
	open      bool   // backend.auth.dangerouslyDisableDefaultAuthPolicy
	pages     pages  // those that may open WebSockets
	warnings  []string
}

// options are the checked configuration of one endpoint.
type options struct {
	route          string
	target         *url.URL
	rules          []rule
	customRules    bool // there is a pathRewrite
	changeOrigin   bool
	headers        map[string]string
	allowedMethods []string // nil for all
	allowedHeaders []string
	secure         bool
	credentials    string
	timeout        time.Duration
}

// origin returns the target for the log: without a user, a path and a query.
func (o options) origin() string { return o.target.Scheme + "://" + o.target.Host }

// readSettings reads and checks the configuration. Its error names everything that is wrong.
func readSettings(config *appconfig.Config, baseURL string) (*settings, error) {
	base, err := url.Parse(baseURL) // the host has checked it
	if err != nil {
		return nil, err
	}
	s, errs := &settings{mount: base.Path}, []error{nil}
	boolean := func(key string) bool {
		v, _, err := config.GetOptionalBoolean(key)
		errs = append(errs, err)
		return v
	}
	skip := boolean("proxy.skipInvalidProxies")
	boolean("proxy.reviveConsumedRequestBodies") // only checked: nothing here consumes bodies
	s.open = boolean("backend.auth.dangerouslyDisableDefaultAuthPolicy")
	s.pages, errs[0] = readPages(config, baseURL)
	endpoints, at, err := s.find(config)
	errs = append(errs, err)
	for route, given := range endpoints.All() {
		r := &reader{layers: config.Layers(), at: append(slices.Clone(at), route)}
		o := r.endpoint(route, given)
		switch err := errors.Join(r.problems...); {
		case err != nil && skip:
			s.warnings = append(s.warnings, fmt.Sprintf("skipped configuring %s due to %v", route, err))
		case err != nil:
			errs = append(errs, err)
		default:
			s.endpoints, s.warnings = append(s.endpoints, o), append(s.warnings, r.warnings...)
		}
	}
	return s, errors.Join(errs...)
}

// find returns the endpoints by their routes: proxy.endpoints, or the older form, keys of proxy itself that begin with a
// slash.
func (s *settings) find(config *appconfig.Config) (endpoints *value.Object, at []string, err error) {
	section, ok, err := config.GetOptionalConfig("proxy.endpoints")
	if err != nil {
		return nil, nil, err
	}
	if ok {
		all, err := section.Get("")
		endpoints, _ = all.(*value.Object)
		return endpoints, []string{"proxy", "endpoints"}, err
	}
	all, ok, err := config.GetOptional("proxy")
	root, isObject := all.(*value.Object)
	if err != nil || !ok || !isObject {
		return nil, nil, err
	}
	endpoints = &value.Object{}
	for route, given := range root.All() {
		if strings.HasPrefix(route, "/") {
			endpoints.SetAt(route, given, root.Position(route))
		}
	}
	if endpoints.Len() > 0 {
		s.warnings = append(s.warnings, "Configuring proxy endpoints in the root 'proxy' configuration is deprecated. "+
			"Move this configuration to 'proxy.endpoints' instead.")
	}
	return endpoints, []string{"proxy"}, nil
}
