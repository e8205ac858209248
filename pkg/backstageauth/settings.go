package backstageauth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

const (
	externalKey = "backend.auth.externalAccess"
	legacyKey   = "backend.auth.keys"
	disableKey  = "backend.auth.dangerouslyDisableDefaultAuthPolicy"
)

// Settings are backend.auth: what is accepted beside the tokens of users and plugins.
type Settings struct {
	disabled bool // nothing asks for credentials by default
	external []external
}

// external is an entry of backend.auth.externalAccess, or of the older backend.auth.keys.
type external struct {
	check   checker
	plugins []string // those that its tokens may reach, in the order of the configuration; nil for all
	access  map[string]*AccessRestrictions
}

// Read reads backend.auth. It reports all problems at once.
func Read(config *appconfig.Config) (Settings, error) {
	var s Settings
	var errs []error
	var err error
	s.disabled, _, err = config.GetOptionalBoolean(disableKey)
	errs = append(errs, err)
	for _, list := range []string{externalKey, legacyKey} {
		entries, _, err := config.GetOptionalConfigArray(list)
		errs = append(errs, err)
		for i, entry := range entries {
			r := &entryReader{config: entry, place: fmt.Sprintf("%s[%d]", list, i), layer: config.LayerOf(list)}
			x := external{check: r.checker(list == legacyKey)}
			x.plugins, x.access = r.restrictions()
			s.external, errs = append(s.external, x), append(errs, r.errs...)
		}
	}
	return s, errors.Join(errs...)
}

// entryReader reads one entry and collects its problems. They do not repeat values.
type entryReader struct {
	config       *appconfig.Config
	place, layer string
	errs         []error
}

func (r *entryReader) note(key, problem string) {
	r.errs = append(r.errs, fmt.Errorf("config key '%s%s' in '%s': %s", r.place, key, r.layer, problem))
}

func (r *entryReader) text(c *appconfig.Config, key string) string {
	value, err := c.GetString(key)
	r.errs = append(r.errs, err)
	return value
}

// noSpace reads a text that may not contain spaces.
func (r *entryReader) noSpace(c *appconfig.Config, key, problem string) string {
	value := r.text(c, key)
	if strings.ContainsFunc(value, unicode.IsSpace) {
		r.note(".options."+key, problem)
	}
	return value
}

func (r *entryReader) checker(older bool) checker {
	if older {
		return legacyChecker{r.secret(r.config, ".secret"), "external:backstage-plugin"}
	}
	kind, err1 := r.config.GetString("type")
	options, err2 := r.config.GetConfig("options")
	if r.errs = append(r.errs, err1, err2); err1 != nil || err2 != nil {
		return nil
	}
	subject := func() string {
		return r.noSpace(options, "subject", "Illegal subject, must be a set of non-space characters")
	}
	switch kind {
	case "static":
		token := r.noSpace(options, "token", "Illegal token, must be a set of non-space characters")
		if token != "" && len(token) < minStatic {
			r.note(".options.token", fmt.Sprintf("Illegal token, must be at least %d characters length", minStatic))
		}
		return newStaticChecker(token, subject())
	case "legacy":
		return legacyChecker{r.secret(options, ".options.secret"), subject()}
	case "jwks":
		return r.jwks(options)
	default:
		r.note(".type", "Unknown type, expected one of 'static', 'legacy', 'jwks'")
		return nil
	}
}

// secret reads a secret in base64. A text without any would be the empty secret, which everybody knows.
func (r *entryReader) secret(c *appconfig.Config, key string) []byte {
	value := r.text(c, "secret")
	secret := decodeAsNode(value)
	if value != "" && (len(secret) == 0 || strings.ContainsFunc(value, unicode.IsSpace)) {
		r.note(key, "Illegal secret, must be a valid base64 string")
	}
	return secret
}

// decodeAsNode decodes base64 as Node's Buffer does: in either alphabet, up to the first '=', skipping what is none.
func decodeAsNode(text string) []byte {
	text, _, _ = strings.Cut(text, "=")
	digits := strings.Map(func(c rune) rune {
		switch {
		case c == '+':
			return '-'
		case c == '/':
			return '_'
		case c == '-', c == '_', c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			return c
		}
		return -1
	}, text)
	if len(digits)%4 == 1 { // six bits are no byte
		digits = digits[:len(digits)-1]
	}
	data, _ := base64.RawURLEncoding.DecodeString(digits)
	return data
}

func (r *entryReader) jwks(c *appconfig.Config) checker {
	address := r.noSpace(c, "url", "Illegal JWKS URL, must be a set of non-space characters")
	if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		r.note(".options.url", "Illegal JWKS URL, expected one such as https://issuer.example.com/.well-known/jwks.json")
	}
	x := jwksChecker{url: address, rules: rules{
		algorithms: asymmetric,
		issuers:    r.list(c, "issuer", ".options"),
		audiences:  r.list(c, "audience", ".options"),
	}, prefix: "external:"}
	if named := r.list(c, "algorithm", ".options"); named != nil {
		x.rules.algorithms = slices.DeleteFunc(slices.Clone(asymmetric), func(a jose.SignatureAlgorithm) bool { return !slices.Contains(named, string(a)) })
		if len(x.rules.algorithms) == 0 {
			r.note(".options.algorithm", fmt.Sprintf("Unknown algorithm, expected some of %v", asymmetric))
		}
	}
	prefix, _, err := c.GetOptionalString("subjectPrefix")
	if r.errs = append(r.errs, err); prefix != "" {
		x.prefix += prefix + ":"
	}
	return x
}

// list reads a text or a list of texts, each of which may hold several, with spaces or commas between them. It returns
// nil if there are none.
func (r *entryReader) list(c *appconfig.Config, key, place string, valid ...string) (values []string) {
	value, ok, err := c.GetOptional(key)
	if err != nil || !ok {
		r.errs = append(r.errs, err)
		return nil
	}
	texts := []string{""}
	if _, isList := value.([]any); isList {
		texts, err = c.GetStringArray(key)
	} else {
		texts[0], err = c.GetString(key)
	}
	r.errs = append(r.errs, err)
	for _, text := range texts {
		for _, v := range strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == ',' }) {
			if valid != nil && !slices.Contains(valid, v) {
				r.note(place+"."+key, "Invalid value, valid values are '"+strings.Join(valid, "', '")+"'")
			}
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	return values
}

// restrictions reads accessRestrictions. It returns nil if there are none.
func (r *entryReader) restrictions() (plugins []string, access map[string]*AccessRestrictions) {
	list, _, err := r.config.GetOptionalConfigArray("accessRestrictions")
	r.errs = append(r.errs, err)
	for i, c := range list {
		place := fmt.Sprintf(".accessRestrictions[%d]", i)
		r.known(c, place, "plugin", "permission", "permissionAttribute")
		id := r.text(c, "plugin")
		a := &AccessRestrictions{PermissionNames: r.list(c, "permission", place)}
		attributes, ok, err := c.GetOptionalConfig("permissionAttribute")
		if r.errs = append(r.errs, err); ok {
			r.known(attributes, place+".permissionAttribute", "action")
			a.Actions = r.list(attributes, "action", place+".permissionAttribute", "create", "read", "update", "delete")
		}
		if access[id] != nil {
			r.note(place+".plugin", "Attempted to declare 'accessRestrictions' twice for a plugin, which is not permitted")
		}
		if access == nil {
			access = make(map[string]*AccessRestrictions)
		}
		plugins, access[id] = append(plugins, id), a
	}
	return plugins, access
}

// known reports the keys of c that have no meaning.
func (r *entryReader) known(c *appconfig.Config, place string, keys ...string) {
	for _, key := range c.Keys() {
		if !slices.Contains(keys, key) {
			r.note(place, "Invalid key '"+key+"', expected one of '"+strings.Join(keys, "', '")+"'")
		}
	}
}
