package discovery

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/js"
)

const endpointsKey = "discovery.endpoints"

// Endpoints are discovery.endpoints: patterns of URLs by plugin ID, "*" for all other plugins.
type Endpoints struct{ internal, external map[string]pattern }

// pattern is a URL split where the plugin's ID belongs.
type pattern []string

var placeholder = regexp.MustCompile(`\{\{\s*pluginId\s*\}\}`)

func (p pattern) fill(pluginID string) string {
	return strings.Join(p, js.EncodeURIComponent(pluginID))
}

// Read reads discovery.endpoints. A later entry for a plugin replaces an earlier one. It reports all problems at once.
func Read(config *appconfig.Config) (Endpoints, error) {
	e := Endpoints{map[string]pattern{}, map[string]pattern{}}
	list, _, err := config.GetOptionalConfigArray(endpointsKey)
	errs := []error{err}
	for i, entry := range list {
		internal, external, err1 := readTarget(entry)
		plugins, err2 := entry.GetStringArray("plugins")
		key := fmt.Sprintf("%s[%d].target", endpointsKey, i)
		check := func(target, name string, internal bool) {
			if err := checkTarget(target, internal); target != "" && err != nil {
				errs = append(errs, fmt.Errorf("config key '%s%s' in '%s': %w", key, name, config.LayerOf(endpointsKey), err))
			}
		}
		if internal == external {
			check(internal, "", false)
		} else {
			check(internal, ".internal", true)
			check(external, ".external", false)
		}
		errs = append(errs, err1, err2)
		for _, id := range plugins {
			if internal != "" {
				e.internal[id] = placeholder.Split(internal, -1)
			}
			if external != "" {
				e.external[id] = placeholder.Split(external, -1)
			}
		}
	}
	return e, errors.Join(errs...)
}

// readTarget returns the two URLs of an entry, which are one if the target is a string.
func readTarget(entry *appconfig.Config) (internal, external string, err error) {
	target, err := entry.Get("target")
	if err != nil {
		return "", "", err
	}
	if _, ok := target.(string); ok {
		internal, err = entry.GetString("target")
		return internal, internal, err
	}
	internal, _, err1 := entry.GetOptionalString("target.internal")
	external, _, err2 := entry.GetOptionalString("target.external")
	return internal, external, errors.Join(err1, err2)
}

// checkTarget returns what is wrong with a URL. It does not repeat it, for it may hold a password.
func checkTarget(target string, internal bool) error {
	u, err := url.Parse(placeholder.ReplaceAllString(target, "plugin-id"))
	if err != nil || u.Host == "" {
		return errors.New("it is not a URL, expected one such as http://backstage:7007/api/{{pluginId}}")
	}
	base, srv := strings.CutSuffix(u.Scheme, srvSuffix)
	switch {
	case base != "http" && base != "https":
		return errors.New("expected a URL with http, https, http+srv or https+srv")
	case srv && !internal:
		return errors.New("SRV resolver URLs cannot be used in the target for external endpoints, expected them in target.internal")
	case srv && u.Port() != "":
		return errors.New("SRV resolver URLs cannot contain a port")
	case srv && u.User != nil:
		return errors.New("SRV resolver URLs cannot contain username or password")
	case srv && (u.RawQuery != "" || u.Fragment != "" || u.ForceQuery):
		return errors.New("SRV resolver URLs cannot contain search params or a hash")
	}
	return nil
}
