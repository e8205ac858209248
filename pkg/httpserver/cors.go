package httpserver

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/express"
	"github.com/understudy-host/understudy/pkg/origin"
)

// corsOptions are backend.cors: who may read answers from a page on another origin.
type corsOptions struct {
	any        bool           // no origin is configured: every origin is allowed, without credentials
	origins    origin.Matcher // the allowed origins otherwise
	headers    http.Header    // of each answer to an allowed origin
	preflight  http.Header    // also of an answer to a preflight
	anyHeaders bool           // no request headers are configured: a preflight is allowed all that it asks for
	status     int            // of an answer to a preflight, or 0: the routes answer it
}

// readCORS reads backend.cors. It returns nil if there is none.
func readCORS(config *appconfig.Config) (*corsOptions, error) {
	section, ok, err := config.GetOptionalConfig("backend.cors")
	if err != nil || !ok {
		return nil, err
	}
	c := &corsOptions{headers: http.Header{}, preflight: http.Header{}, status: http.StatusNoContent}
	var errs []error
	list := func(key string) []string {
		values, err := readStrings(section, key)
		errs = append(errs, err)
		return values
	}
	join := func(header http.Header, name string, values []string) {
		if value := strings.Join(values, ","); value != "" {
			header.Set(name, value)
		}
	}
	origins, methods, headers := list("origin"), list("methods"), list("allowedHeaders")
	if methods == nil {
		methods = []string{"GET,HEAD,PUT,PATCH,POST,DELETE"}
	}
	c.any, c.anyHeaders = origins == nil, headers == nil
	c.preflight.Set("Access-Control-Allow-Methods", strings.Join(methods, ","))
	join(c.preflight, "Access-Control-Allow-Headers", headers)
	join(c.headers, "Access-Control-Expose-Headers", list("exposedHeaders"))
	if c.origins, err = origin.Compile(origins...); err != nil {
		errs = append(errs, fmt.Errorf("config key 'backend.cors.origin' in '%s': %w", config.LayerOf("backend.cors.origin"), err))
	}
	credentials, _, err := section.GetOptionalBoolean("credentials")
	errs = append(errs, err)
	if c.any {
		c.headers.Set("Access-Control-Allow-Origin", "*")
	} else if credentials {
		c.headers.Set("Access-Control-Allow-Credentials", "true")
	}
	age, ok, err := section.GetOptionalNumber("maxAge")
	errs = append(errs, err)
	if ok {
		c.preflight.Set("Access-Control-Max-Age", strconv.FormatFloat(age, 'f', -1, 64))
	}
	status, ok, err := section.GetOptionalNumber("optionsSuccessStatus")
	errs = append(errs, err)
	if ok {
		c.status = int(status)
	}
	if c.status < 200 || c.status > 299 {
		errs = append(errs, fmt.Errorf("config key 'backend.cors.optionsSuccessStatus' in '%s' is %v, expected a status from 200 to 299",
			config.LayerOf("backend.cors.optionsSuccessStatus"), status))
	}
	passOn, _, err := section.GetOptionalBoolean("preflightContinue")
	if passOn {
		c.status = 0
	}
	return c, errors.Join(append(errs, err)...)
}

// readStrings reads a string or a list of strings as Backstage reads CORS options: nil if there is none. An empty
// string, from an empty environment variable for example, is not the same: it is a list that allows nothing.
func readStrings(config *appconfig.Config, key string) ([]string, error) {
	value, ok, err := config.GetOptional(key)
	if err != nil || !ok || value == false {
		return nil, err
	}
	if s, ok := value.(string); ok {
		return []string{s}, nil
	}
	return config.GetStringArray(key)
}

// cors answers as npm's cors does under Backstage. rs/cors cannot: here every OPTIONS of an allowed origin is a
// preflight, and its answer lists all configured methods, whichever was asked for.
func cors(c *corsOptions, next http.Handler) http.Handler {
	if c == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		if !c.any {
			from := strings.Join(r.Header["Origin"], ", ") // two never match
			if from != "" {                                // unlike Node also for other origins: a shared cache could give an allowed one their answer
				express.AddVary(header, "Origin")
			}
			if !c.origins.Match(from) {
				next.ServeHTTP(w, r)
				return
			}
			header.Set("Access-Control-Allow-Origin", from)
		}
		maps.Copy(header, c.headers)
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		maps.Copy(header, c.preflight)
		if c.anyHeaders {
			express.AddVary(header, "Access-Control-Request-Headers")
			if asked := strings.Join(r.Header.Values("Access-Control-Request-Headers"), ", "); asked != "" {
				header.Set("Access-Control-Allow-Headers", asked)
			}
		}
		if c.status == 0 {
			next.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(c.status)
	})
}
