package coder

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/duration"
	"github.com/understudy-host/understudy/pkg/origin"
	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// minKey is the smallest number of characters of a session key.
const minKey = 32

// Limits of calls to Coder. A sign-in and a refresh wait for their turn and make two calls, and the server gives up
// after a minute: a refresh token that has been rotated by then would be lost. Balancers close idle connections, the
// quickest after some ten seconds, and a call that is sent at that moment fails.
const (
	maxTimeout     = 25 * time.Second
	maxIdleTimeout = 5 * time.Minute
	defaultCalls   = 100 // they fit a process that may open 1,024 files, with a browser's connection each
)

// reader reads config values and collects what is wrong with them, so that everything is reported at once. For a
// wrong value it returns the type's zero value.
type reader struct {
	config   *appconfig.Config
	problems []error // of appconfig, which names key, layer and expectation itself, and of this plugin; nil does not count
}

// problem adds an error that this plugin found in the value at key.
func (r *reader) problem(key string, err error) {
	if layer := r.config.LayerOf(key); layer != "" {
		key += "' in '" + layer
	}
	r.problems = append(r.problems, fmt.Errorf("invalid config at '%s': %w", key, err))
}

// optional reads a value that may be missing with a getter of appconfig.
func optional[T any](r *reader, get func(key string) (T, bool, error), key string, fallback T) T {
	value, ok, err := get(key)
	r.problems = append(r.problems, err)
	if !ok {
		return fallback
	}
	return value
}

// has reports whether there is a value at key.
func (r *reader) has(key string) bool {
	has, _ := r.config.Has(key)
	return has
}

// required reads a string that must be there and not be empty. meaning says what is expected.
func (r *reader) required(key, meaning string) string {
	value, err := r.config.GetString(key)
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("%w, expected %s", err, meaning))
	}
	return value
}

// string reads a string that may be missing.
func (r *reader) string(key string) string { return optional(r, r.config.GetOptionalString, key, "") }

// strings reads a list of strings that may be missing.
func (r *reader) strings(key string) []string {
	return optional(r, r.config.GetOptionalStringArray, key, nil)
}

// duration reads a duration that may be missing or zero.
func (r *reader) duration(key string, fallback time.Duration) time.Duration {
	value, err := duration.Read(r.config, key)
	if err != nil {
		r.problem(key, err)
	}
	return cmp.Or(value, fallback)
}

// callLimits reads the limits of calls to Coder.
func (r *reader) callLimits() upstream.Options {
	limited := func(key string, fallback, limit time.Duration) time.Duration {
		d := r.duration(key, fallback)
		if d > limit {
			r.problem(key, fmt.Errorf("got %s, expected at most %s", d, limit))
		}
		return d
	}
	return upstream.Options{
		Timeout:     limited("coder.oauth.timeout", 10*time.Second, maxTimeout),
		IdleTimeout: limited("coder.oauth.idleTimeout", 5*time.Second, maxIdleTimeout),
		// A whole number that the schema allows.
		MaxCalls: int(optional(r, r.config.GetOptionalNumber, "coder.oauth.maxConcurrentCalls", defaultCalls)),
	}
}

// url reads an http or https URL that must be there. meaning says what is expected. A user in it is refused: URLs are
// logged and sent on, and a password is not to be.
func (r *reader) url(key, meaning string) string {
	value := r.required(key, meaning)
	if value == "" {
		return ""
	}
	_, err := origin.Of(value)
	if u, _ := url.Parse(value); err == nil && u.User != nil {
		err = fmt.Errorf("a user in a URL is refused, expected %s", meaning)
	}
	if err != nil {
		r.problem(key, err)
		return ""
	}
	return value
}

// application reads the part of an application that both spellings have.
func (r *reader) application(key string) application {
	return application{key: key, Application: upstream.Application{
		ClientID:     r.required(key+".clientId", "the client ID of the OAuth2 application that is registered in Coder"),
		ClientSecret: r.required(key+".clientSecret", "the client secret of the OAuth2 application that is registered in Coder"),
		AuthMethod:   r.string(key + ".tokenEndpointAuthMethod"), // one that the schema allows
	}}
}

// deployment reads the URL of a Coder deployment, which must not be this plugin itself.
func (r *reader) deployment(key, mount string) string {
	value := strings.TrimRight(r.url(key, "the URL of the Coder deployment"), "/")
	u, _ := url.Parse(value)
	switch {
	case u.RawQuery != "" || u.Fragment != "": // the client secret is sent there
		r.problem(key, errors.New("expected the URL of a Coder deployment without query and fragment"))
	case value != "" && strings.EqualFold(value, mount):
		r.problem(key, errors.New("this is the address of this plugin itself, expected that of the Coder deployment"))
	}
	return value
}

// scopes reads additionalScopes, a list or a string as in the scope parameter.
func (r *reader) scopes(key string) []string {
	if scope, ok := optional(r, r.config.GetOptional, key, nil).(string); ok {
		return splitScope(scope)
	}
	return r.strings(key)
}

// minBorrowed is the smallest number of bytes of a secret of Backstage's that seals cookies here: from one cookie,
// shorter ones could be guessed by trying.
const minBorrowed = 24

// sessionKeys reads the secrets that sealing keys are derived from: understudy.session.keys, otherwise those that
// a Backstage backend has for similar purposes, otherwise none.
func (r *reader) sessionKeys(s *settings) {
	for i, key := range r.strings("understudy.session.keys") {
		if len(key) < minKey {
			r.problem("understudy.session.keys", fmt.Errorf("key %d has %d characters, expected at least %d", i+1, len(key), minKey))
		}
		s.keys = append(s.keys, []byte(key))
	}
	if len(s.keys) > 0 {
		return
	}
	borrow := func(key, secret string, size int) {
		switch {
		case secret == "":
		case size < minBorrowed:
			s.warnings = append(s.warnings, fmt.Sprintf("%s has %d bytes, too few to seal cookies with, which takes %d: "+
				"it is not used for that; set understudy.session.keys", key, size, minBorrowed))
		default:
			s.keys, s.borrowed = append(s.keys, []byte(secret)), true
		}
	}
	for i, entry := range optional(r, r.config.GetOptionalConfigArray, "backend.auth.keys", nil) {
		secret := optional(r, entry.GetOptionalString, "secret", "")
		borrow(fmt.Sprintf("backend.auth.keys[%d].secret", i), secret, base64Size(secret))
	}
	// The secret of Backstage's own sessions comes last: it is older and often shorter.
	if secret := r.string("auth.session.secret"); len(s.keys) == 0 {
		borrow("auth.session.secret", secret, len(secret))
	}
}

// base64Size returns the number of bytes that Node's Buffer decodes text to: it skips what is not base64.
func base64Size(text string) int {
	text, _, _ = strings.Cut(text, "=")
	digits := 0
	for _, c := range text {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("+/-_", c) {
			digits++
		}
	}
	return digits * 3 / 4
}

// splitScope splits a scope parameter as Backstage does: at white space, bars and commas.
func splitScope(scope string) []string {
	return strings.FieldsFunc(scope, func(c rune) bool { return strings.ContainsRune(" \t\r\n\v\f|,", c) })
}

// joinScopes joins scopes without duplicates, in the order of their first appearance.
func joinScopes(lists ...[]string) string {
	var scopes []string
	for _, scope := range slices.Concat(lists...) {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return strings.Join(scopes, " ")
}
