package coder

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/duration"
	"github.com/understudy-host/understudy/pkg/origin"
)

// minSecret is the fewest characters that a session key may have.
const minSecret = 32

// reader reads config values and collects what is wrong with them, so that all of it is reported at once.
// What it returns for a wrong value is that type's zero.
type reader struct {
	config   *appconfig.Config
	problems []error
}

// problem notes that the value under key is not what it should be, and where it came from.
func (r *reader) problem(key string, err error) {
	// appconfig's own errors name the layer; for what only we find wrong it is looked up.
	if layer := r.config.LayerOf(key); layer != "" {
		key += "' in '" + layer
	}
	r.problems = append(r.problems, fmt.Errorf("invalid config at '%s': %w", key, err))
}

// note collects an error of appconfig's, if it is one.
func (r *reader) note(err error) {
	if err != nil {
		r.problems = append(r.problems, err) // appconfig's errors name key, layer and expectation
	}
}

// required reads a text that must be there and not be empty. what says what is expected, for an error.
func (r *reader) required(key, what string) string {
	value, err := r.config.GetString(key)
	if err != nil {
		r.note(fmt.Errorf("%w, expected %s", err, what))
	}
	return value
}

// text reads a text that may be missing.
func (r *reader) text(key string) string {
	value, _, err := r.config.GetOptionalString(key)
	r.note(err)
	return value
}

// texts reads a list of texts that may be missing.
func (r *reader) texts(key string) []string {
	values, _, err := r.config.GetOptionalStringArray(key)
	r.note(err)
	return values
}

// boolean reads a boolean; fallback stands for a missing one.
func (r *reader) boolean(key string, fallback bool) bool {
	value, ok, err := r.config.GetOptionalBoolean(key)
	r.note(err)
	if !ok {
		return fallback
	}
	return value
}

// duration reads a duration; fallback stands for a missing or empty one.
func (r *reader) duration(key string, fallback time.Duration) time.Duration {
	value, err := duration.Read(r.config, key)
	if err != nil {
		r.problem(key, err)
	}
	if value == 0 {
		return fallback
	}
	return value
}

// oneOf reads one of a few texts, "" when it is missing or wrong.
func (r *reader) oneOf(key string, allowed ...string) string {
	value := r.text(key)
	if slices.Contains(allowed, value) {
		return value
	}
	if value != "" {
		r.problem(key, fmt.Errorf("got '%s', expected one of %s", value, strings.Join(allowed, ", ")))
	}
	return ""
}

// origin reads a URL and returns its origin.
func (r *reader) origin(key string) string {
	value := r.required(key, "the URL at which browsers find the app")
	if value == "" {
		return ""
	}
	o, err := origin.Of(value)
	if err != nil {
		r.problem(key, err)
	}
	return o
}

// scopes reads additionalScopes, which is a list or a text as in the scope parameter.
func (r *reader) scopes(key string) []string {
	value, _, err := r.config.GetOptional(key)
	r.note(err)
	if text, ok := value.(string); ok {
		return splitScope(text)
	}
	return r.texts(key)
}

// secrets reads what sealing keys are derived from: understudy.session.keys, else what a Backstage backend
// has for like purposes, else none.
func (r *reader) secrets() [][]byte {
	var secrets [][]byte
	for i, text := range r.texts("understudy.session.keys") {
		if len(text) < minSecret {
			r.problem("understudy.session.keys",
				fmt.Errorf("key %d has %d characters, expected at least %d", i+1, len(text), minSecret))
		}
		secrets = append(secrets, []byte(text))
	}
	if len(secrets) > 0 {
		return secrets
	}
	shared, _, err := r.config.GetOptionalConfigArray("backend.auth.keys")
	r.note(err)
	for _, entry := range shared {
		if text, ok, err := entry.GetOptionalString("secret"); ok {
			secrets = append(secrets, []byte(text))
		} else if err != nil {
			r.note(err)
		}
	}
	// The secret of Backstage's own sessions comes last: it is older and often shorter.
	if text := r.text("auth.session.secret"); len(secrets) == 0 && text != "" {
		secrets = append(secrets, []byte(text))
	}
	return secrets
}

// splitScope splits a scope parameter as Backstage does: at blanks, bars and commas.
func splitScope(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" \t\r\n\v\f|,", c) })
}

// joinScopes joins scopes, each once, in the order of their first appearance.
func joinScopes(lists ...[]string) string {
	var out []string
	seen := make(map[string]bool)
	for _, list := range lists {
		for _, scope := range list {
			if !seen[scope] {
				seen[scope] = true
				out = append(out, scope)
			}
		}
	}
	return strings.Join(out, " ")
}
