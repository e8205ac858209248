package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/origin"
)

const (
	targetKey = "understudy.fallback.target"
	trustKey  = "backend.trustProxy"
)

// Settings are what the configuration says of the other backend.
type Settings struct {
	Target *url.URL                           // nil if there is none
	trusts func(address string, hop int) bool // backend.trustProxy
}

// Address is where a host is reached: by browsers, and where it listens.
type Address struct {
	BaseURL string
	Host    string // "" is every address
	Port    int
}

// Read reads understudy.fallback.target, and backend.trustProxy if there is a target. own is the address of the host that
// reads them: it cannot be the target.
func Read(config *appconfig.Config, own Address) (Settings, error) {
	target, ok, err := config.GetOptionalString(targetKey)
	if err != nil || !ok {
		return Settings{}, err
	}
	wrong := func(key, what string) error {
		return fmt.Errorf("config key '%s' in '%s' %s", key, config.LayerOf(key), what)
	}
	var s Settings
	var errs []error
	u, err := url.Parse(target) // its error would show a password
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || strings.ContainsAny(target, "?#@"):
		errs = append(errs, wrong(targetKey, "is not the address of a backend, expected http://host:port or https://host:port"))
	case own.is(u):
		errs = append(errs, wrong(targetKey, "is the address of this host itself, expected that of the Node backend"))
	default:
		s.Target = &url.URL{Scheme: u.Scheme, Host: u.Host}
	}
	value, _, err := config.GetOptional(trustKey)
	if err == nil {
		if s.trusts, err = express.CompileTrust(value); err != nil {
			err = wrong(trustKey, fmt.Sprintf("is not one of express' values for 'trust proxy': %v", err))
		}
	}
	return s, errors.Join(append(errs, err)...)
}

// is reports whether a URL is obviously the address of the host. On this machine the port decides: a Node backend that
// listens where browsers look for it may be the target of a host on another port.
func (a Address) is(u *url.URL) bool {
	name := strings.ToLower(u.Hostname())
	base, err1 := origin.Of(a.BaseURL)
	target, err2 := origin.Of(u.String())
	if err1 == nil && err2 == nil && base == target && !isLocal(name) {
		return true
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return port == strconv.Itoa(a.Port) && listens(a.Host, name)
}

// isLocal reports whether a name stands for this machine.
func isLocal(name string) bool {
	ip, _ := netip.ParseAddr(name) // the zero Addr for a name
	return name == "localhost" || ip.IsLoopback() || ip.IsUnspecified()
}

// listens reports whether a socket on the address host is also the one of another name.
func listens(host, name string) bool {
	ip, _ := netip.ParseAddr(host)
	switch {
	case host == name:
		return true
	case host == "", host == "localhost", ip.IsUnspecified():
		return isLocal(name)
	}
	local, _ := netip.ParseAddr(name)
	return isLocal(host) && (name == "localhost" || local.IsUnspecified())
}
