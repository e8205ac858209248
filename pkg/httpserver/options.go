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
	o.Host, o.Port, errs[0] = readListen(config)
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

func readListen(config *appconfig.Config) (host string, port int, err error) {
	value, ok, err := config.GetOptional("backend.listen")
	if err != nil || !ok {
		return "", defaultPort, err
	}
	if address, ok := value.(string); ok {
		at := strings.IndexByte(address, ':') // -1 for a port alone
		port, err := strconv.ParseUint(strings.TrimSpace(address[at+1:]), 10, 16)
		if err != nil {
			return "", 0, fmt.Errorf("config key 'backend.listen' in '%s' is not an address, expected <port> or <host>:<port>",
				config.LayerOf("backend.listen"))
		}
		return address[:max(at, 0)], int(port), nil
	}
	// In Backstage an empty host is every address, but GetOptionalString refuses an empty string.
	if value, _, err = config.GetOptional("backend.listen.host"); err == nil && value != "" {
		host, _, err = config.GetOptionalString("backend.listen.host")
	}
	if err == nil && strings.ContainsAny(host, "/@?# ") { // a URL, perhaps with a password, which is not to be looked up
		err = fmt.Errorf("config key 'backend.listen.host' in '%s' is not a host, expected a name or an IP address",
			config.LayerOf("backend.listen.host"))
	}
	number, ok, portErr := config.GetOptionalNumber("backend.listen.port")
	if !ok {
		number = defaultPort
	}
	if portErr == nil && number != float64(uint16(number)) {
		portErr = fmt.Errorf("config key 'backend.listen.port' in '%s' is %v, expected a port from 0 to 65535",
			config.LayerOf("backend.listen.port"), number)
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
