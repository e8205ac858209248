package httpserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/origin"
)

const defaultPort = 7007

// Options are what the backend section of the configuration says about serving.
type Options struct {
	Host     string // backend.listen; "" is every address
	Port     int    // 0 takes any free port
	TLS      *tls.Config
	CSP      string // the Content-Security-Policy, or "" for none
	Referrer string
	CORS     CORS
}

// ReadOptions reads backend.listen, backend.https, backend.csp, backend.referrer and backend.cors with the
// defaults of Backstage. It reports all problems at once.
func ReadOptions(config *appconfig.Config) (Options, error) {
	var o Options
	var errs [4]error
	o.Host, o.Port, errs[0] = readListen(config)
	o.TLS, errs[1] = readTLS(config)
	o.CSP, o.Referrer, errs[2] = readPolicies(config)
	o.CORS, errs[3] = readCORS(config)
	return o, errors.Join(errs[:]...)
}

func readListen(config *appconfig.Config) (host string, port int, err error) {
	value, ok, err := config.GetOptional("backend.listen")
	if err != nil || !ok {
		return "", defaultPort, err
	}
	if text, isText := value.(string); isText {
		head, tail, found := strings.Cut(text, ":")
		if !found {
			head, tail = "", text
		}
		if port, err = strconv.Atoi(strings.TrimSpace(tail)); err != nil || !validPort(float64(port)) {
			return "", 0, fmt.Errorf("config key 'backend.listen' in '%s' is %q, expected <port> or <host>:<port>",
				config.LayerOf("backend.listen"), text)
		}
		return head, port, nil
	}
	number := float64(defaultPort)
	// Backstage takes an empty host for every address, and an empty text is none to GetOptionalString.
	if value, _, err = config.GetOptional("backend.listen.host"); err == nil && value != "" {
		host, _, err = config.GetOptionalString("backend.listen.host")
	}
	if err != nil {
		return "", 0, err
	}
	if n, ok, err := config.GetOptionalNumber("backend.listen.port"); err != nil {
		return "", 0, err
	} else if ok {
		number = n
	}
	if !validPort(number) {
		return "", 0, fmt.Errorf("config key 'backend.listen.port' in '%s' is %v, expected a port from 0 to 65535",
			config.LayerOf("backend.listen.port"), number)
	}
	return host, int(number), nil
}

func validPort(n float64) bool { return n >= 0 && n <= 65535 && n == float64(int(n)) }

func readPolicies(config *appconfig.Config) (csp, referrer string, err error) {
	directives, errs := defaultDirectives(), []error(nil)
	section, ok, err := config.GetOptionalConfig("backend.csp")
	if err != nil {
		return "", "", err
	}
	if ok {
		for _, key := range section.Keys() {
			name := kebab(key)
			at := slices.IndexFunc(directives, func(d directive) bool { return d.name == name })
			if at < 0 {
				at = len(directives)
				directives = append(directives, directive{})
			}
			if value, _ := section.Get(key); value == false {
				directives = slices.Delete(directives, at, at+1)
				continue
			}
			sources, err := section.GetStringArray(key)
			errs = append(errs, err)
			directives[at] = directive{name, sources}
		}
	}
	referrer = "no-referrer"
	policies, ok, err := config.GetOptionalStringArray("backend.referrer.policy")
	if ok && err == nil {
		referrer = strings.Join(policies, ",")
	}
	return policy(directives), referrer, errors.Join(append(errs, err)...)
}

func readCORS(config *appconfig.Config) (CORS, error) {
	section, ok, err := config.GetOptionalConfig("backend.cors")
	if err != nil || !ok {
		return CORS{}, err
	}
	c := CORS{Enabled: true, Methods: "GET,HEAD,PUT,PATCH,POST,DELETE", OptionsStatus: http.StatusNoContent}
	var errs []error
	list := func(key string) []string {
		values, err := readStrings(section, key)
		errs = append(errs, err)
		return values
	}
	origins := list("origin")
	c.Any = origins == nil
	if c.Origins, err = origin.Compile(origins...); err != nil {
		errs = append(errs, fmt.Errorf("config key 'backend.cors.origin' in '%s': %w", config.LayerOf("backend.cors.origin"), err))
	}
	if methods := list("methods"); methods != nil {
		c.Methods = strings.Join(methods, ",")
	}
	headers := list("allowedHeaders")
	c.AllowedHeaders, c.AnyHeaders = strings.Join(headers, ","), headers == nil
	c.ExposedHeaders = strings.Join(list("exposedHeaders"), ",")
	c.Credentials, _, err = section.GetOptionalBoolean("credentials")
	errs = append(errs, err)
	c.Continue, _, err = section.GetOptionalBoolean("preflightContinue")
	errs = append(errs, err)
	if age, ok, err := section.GetOptionalNumber("maxAge"); err != nil || ok {
		errs = append(errs, err)
		c.MaxAge = strconv.FormatFloat(age, 'f', -1, 64)
	}
	if status, ok, err := section.GetOptionalNumber("optionsSuccessStatus"); err != nil {
		errs = append(errs, err)
	} else if ok {
		if c.OptionsStatus = int(status); c.OptionsStatus < 200 || c.OptionsStatus > 299 {
			errs = append(errs, fmt.Errorf("config key 'backend.cors.optionsSuccessStatus' in '%s' is %v, expected a status from 200 to 299",
				config.LayerOf("backend.cors.optionsSuccessStatus"), status))
		}
	}
	return c, errors.Join(errs...)
}

// readStrings reads a string or a list of strings, nil when there is none, as Backstage reads CORS options. An
// empty string, which an empty environment variable leaves, is a list that allows nothing, and not no list.
func readStrings(config *appconfig.Config, key string) ([]string, error) {
	value, ok, err := config.GetOptional(key)
	if err != nil || !ok || value == false {
		return nil, err
	}
	if text, isText := value.(string); isText {
		return []string{text}, nil
	}
	return config.GetStringArray(key)
}

// kebab writes a CSP directive's name as the header wants it: scriptSrc and script_src are script-src.
func kebab(name string) string {
	var b strings.Builder
	for i, c := range name {
		switch {
		case c == '_' || c == ' ' || c == '-':
			b.WriteByte('-')
		case c >= 'A' && c <= 'Z':
			if i > 0 {
				b.WriteByte('-')
			}
			b.WriteRune(c + 'a' - 'A')
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// listenError says what to do about an address that cannot be had.
func listenError(address string, err error) error {
	_, port, _ := net.SplitHostPort(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: port %s is in use; stop the other program or set backend.listen.port, and the port in backend.baseUrl: %w", address, port, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: not permitted; ports below 1024 need a privilege: %w", address, err)
	default:
		return fmt.Errorf("cannot listen on %s (config key 'backend.listen'): %w", address, err)
	}
}
