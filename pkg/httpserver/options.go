package httpserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

const defaultPort = 7007

// Options are the settings of the backend section for serving. The unexported ones are for Wrap and Live.
type Options struct {
	Host string      // backend.listen; "" is every address
	Port int         // 0 takes any free port
	TLS  *tls.Config // backend.https; nil is plain HTTP

	ShutdownDelay time.Duration // how long to serve on before a stop; 0 is not at all

	// Beyond, if not nil, returns the handler of a request that is not for the routes, or nil for others. It answers
	// without the layers around it: only the request log has a line.
	Beyond func(r *http.Request) http.Handler

	selfSigned bool // TLS is a certificate that ReadOptions made

	csp      string       // the Content-Security-Policy, or "" for none
	referrer string       // the Referrer-Policy
	cors     *corsOptions // nil if there is no backend.cors
}

// ReadOptions reads backend.listen, backend.https, backend.csp, backend.referrer, backend.cors and
// backend.lifecycle.serverShutdownDelay, with Backstage's defaults. It reports all problems at once.
func ReadOptions(config *appconfig.Config) (Options, error) {
	var o Options
	var errs [5]error
	o.Host, o.Port, errs[0] = ReadAddress(config, "backend.listen", "", defaultPort)
	o.TLS, o.selfSigned, errs[1] = readTLS(config)
	o.csp, o.referrer, errs[2] = readPolicies(config)
	o.cors, errs[3] = readCORS(config)
	o.ShutdownDelay, errs[4] = readShutdownDelay(config)
	return o, errors.Join(errs[:]...)
}

// NeedRestart returns the keys, or what they begin with, that differ from those of a server that runs and take effect
// only at a start.
func (o Options) NeedRestart(running Options) (keys []string) {
	if o.Host != running.Host || o.Port != running.Port {
		keys = append(keys, "backend.listen")
	}
	if (o.TLS == nil) != (running.TLS == nil) {
		keys = append(keys, "backend.https")
	}
	return keys
}

// ReadAddress reads an address in the forms of backend.listen: "<port>", "<host>:<port>", or an object with host and port.
// It returns defaultHost and defaultPort for what is missing. A host "" is every address.
func ReadAddress(config *appconfig.Config, key, defaultHost string, defaultPort int) (host string, port int, err error) {
	value, ok, err := config.GetOptional(key)
	if err != nil || !ok {
		return defaultHost, defaultPort, err
	}
	if address, ok := value.(string); ok {
		at := strings.IndexByte(address, ':') // -1 for a port alone
		port, err := strconv.ParseUint(strings.TrimSpace(address[at+1:]), 10, 16)
		if err != nil {
			return "", 0, fmt.Errorf("config key '%s' in '%s' is not an address, expected <port> or <host>:<port>", key, config.LayerOf(key))
		}
		if at < 0 {
			return defaultHost, int(port), nil
		}
		return address[:at], int(port), nil
	}
	hostKey, portKey := key+".host", key+".port"
	host = defaultHost
	// In Backstage an empty host is every address, but GetOptionalString refuses an empty string.
	if value, ok, err = config.GetOptional(hostKey); err == nil && ok {
		if host = ""; value != "" {
			host, _, err = config.GetOptionalString(hostKey)
		}
	}
	if err == nil && strings.ContainsAny(host, "/@?# ") { // a URL, perhaps with a password, which is not to be looked up
		err = fmt.Errorf("config key '%s' in '%s' is not a host, expected a name or an IP address", hostKey, config.LayerOf(hostKey))
	}
	number, ok, portErr := config.GetOptionalNumber(portKey)
	if !ok {
		number = float64(defaultPort)
	}
	if portErr == nil && number != float64(uint16(number)) {
		portErr = fmt.Errorf("config key '%s' in '%s' is %v, expected a port from 0 to 65535", portKey, config.LayerOf(portKey), number)
	}
	return host, int(number), errors.Join(err, portErr)
}

// ListenError says why address cannot be listened on. key is its config key, and remedy what to do if the port is
// taken.
func ListenError(address, key, remedy string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: port %s is in use; stop the other program or %s: %w", address, port, remedy, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: not permitted; ports below 1024 need a privilege: %w", address, err)
	default:
		return fmt.Errorf("cannot listen on %s (config key '%s'): %w", address, key, err)
	}
}
